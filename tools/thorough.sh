#!/usr/bin/env bash
# What is too long for every change: run before a release. docs/development.md says what each step is for.
#
#   tools/thorough.sh                      every step
#   tools/thorough.sh debug sanitizers     only these
#   tools/thorough.sh --from system        this one and those after it
#   tools/thorough.sh --list               their names
#
# PYTHON               the interpreter (default: python3); each step has an environment of its own in .venvs/
# ZARRC_EXAMPLES       examples for each property in the step "examples" (default: 2000)
# ZARRC_STEP_MINUTES   a step's tests are ended after so many minutes (default: 60)
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3}"
MINUTES="${ZARRC_STEP_MINUTES:-60}"
STEPS=(examples interop debug sanitizers system python3.12 python3.13 python3.14 free-threaded)
# the kernels do not know of servers: what they decode for stores on servers they decode for others too
KERNELS='not peer and not service'
summary=()
failed=0

# environment NAME PYTHON REQUIREMENT...: make it where there is none, and install into it
environment() {
    local home=".venvs/$1" python="$2"
    shift 2
    [ -x "$home/bin/python" ] || "$python" -m venv "$home"
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

# tests NAME ARGUMENT...: run them in an environment, no longer than MINUTES; one that hangs fails, and the others go on
tests() {
    local python=".venvs/$1/bin/python"
    shift
    timeout --kill-after=60 "${MINUTES}m" "$python" -P -m pytest -q --timeout-method=signal "$@"
}

step_examples() { # every property, with many examples
    environment examples "$PYTHON" '.[test]' &&
        ZARRC_HYPOTHESIS=thorough tests examples -m hypothesis --timeout=0
}

step_interop() { # the choices that make an array meet in threes
    environment examples "$PYTHON" '.[test]' &&
        ZARRC_HYPOTHESIS=thorough tests examples tests/interop --timeout=0
}

step_debug() { # bounds checks and assertions in the kernels
    ZARRC_DEBUG=1 environment debug "$PYTHON" '.[test]' &&
        ZARRC_HYPOTHESIS=default tests debug -m "$KERNELS"
}

step_system() { # the system's blosc, zstd, lz4 and zlib
    if ! pkg-config --exists blosc libzstd liblz4 zlib; then
        echo "the system's libraries are missing: 'make services' gets them"
        return 77
    fi
    # left out: frames are those of the blosc package byte for byte only with its own zstd,
    # and Debian's blosc knows snappy
    local not_these=(
        --deselect tests/kernels/test_blosc.py::test_large_frames_are_those_of_the_library
        --deselect tests/kernels/test_blosc.py::test_snappy_is_refused_by_name
    )
    ZARRC_SYSTEM_LIBS=1 environment system "$PYTHON" '.[test]' &&
        tests system -m "$KERNELS" "${not_these[@]}"
}

step_sanitizers() { # out-of-bounds accesses, undefined behaviour
    # left out: a thread that is ended with the process unwinds its stack in a way that AddressSanitizer
    # takes for an overflow; a handler that takes longer than its timer's period disturbs itself;
    # and memory that was freed is kept for a while, so that more of it is in use than the kernels ask for
    local library preload="" findings="$PWD/build/findings" options status=0 not_these=(
        --deselect tests/test_transfer.py::TestProcesses::test_a_daemon_thread_at_the_end
        --deselect tests/test_transfer.py::TestInterrupts::test_handlers_run_during_a_read
        --deselect tests/test_transfer.py::test_memory_of_a_copy
    )
    for library in libasan.so libubsan.so libstdc++.so; do
        preload+="$(gcc -print-file-name=$library) "
    done
    ZARRC_SANITIZE=address,undefined environment sanitizers "$PYTHON" '.[test]' || return
    rm -f "$findings".*
    # kernels say themselves that memory is not to be had; pytest would keep what is written to stderr
    options="allocator_may_return_null=1:log_path=$findings"
    LD_PRELOAD="$preload" ASAN_OPTIONS="detect_leaks=0:$options" UBSAN_OPTIONS="print_stacktrace=1:$options" \
        PYTHONMALLOC=malloc ZARRC_HYPOTHESIS=default \
        tests sanitizers -m "$KERNELS and not slow" "${not_these[@]}" || status=$?
    grep -shEA 20 'ERROR: AddressSanitizer|runtime error' "$findings".* || true
    return $status
}

step_python() { # VERSION
    local python
    if ! python="$(tools/find_python.sh "$1")"; then
        echo "no Python $1 on the PATH or among pyenv's"
        return 77
    fi
    environment "python$1" "$python" '.[test]' && tests "python$1" -m 'not peer'
}

step_free_threaded() {
    local python
    python="$(tools/free_threaded_python.sh)" || return 77
    # of the first four the newest versions that have wheels; h5py, lmdb and deflate have none and do not build
    PIP_ONLY_BINARY=numpy,hypothesis,google-crc32c,obstore environment free-threaded "$python" \
        numpy hypothesis google-crc32c obstore \
        pytest pytest-timeout numcodecs blosc zstandard lz4 msgpack fsspec redis pymongo &&
        environment free-threaded "$python" --no-deps . &&
        PYTHON_GIL=0 tests free-threaded -m 'not peer'
}

# run STEP: 77 means that something is not there, 124 that time was up
run() {
    local start=$SECONDS status=0 word
    printf '\n== %s\n' "$1"
    case "$1" in
        python*) step_python "${1#python}" || status=$? ;;
        *) "step_${1//-/_}" || status=$? ;;
    esac
    case $status in
        0) word=passed ;;
        77) word=skipped ;;
        124) word="FAILED: not done in time" failed=1 ;;
        *) word=FAILED failed=1 ;;
    esac
    summary+=("$(printf '%-16s %5d s  %s' "$1" $((SECONDS - start)) "$word")")
}

check_step() {
    [[ " ${STEPS[*]} " == *" $1 "* ]] && return
    echo "there is no step '$1', but ${STEPS[*]}" >&2
    exit 2
}

wanted=("${STEPS[@]}")
case "${1:-}" in
    '') ;;
    --list)
        printf '%s\n' "${STEPS[@]}"
        exit
        ;;
    --from)
        check_step "${2:-}"
        while [ "${wanted[0]}" != "$2" ]; do wanted=("${wanted[@]:1}"); done
        ;;
    *)
        wanted=("$@")
        for step in "${wanted[@]}"; do check_step "$step"; done
        ;;
esac

for step in "${wanted[@]}"; do run "$step"; done
printf '\n'
printf '%s\n' "${summary[@]}"
exit $failed
