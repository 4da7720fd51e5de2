#!/usr/bin/env bash
# What is too long for every change: run before a release, or before an issue is closed.
#
#   tools/thorough.sh                      every step
#   tools/thorough.sh debug sanitizers     only these
#
# PYTHON   the interpreter (default: python3); each step has an environment of its own in .venvs/
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3}"
OTHER_PYTHONS=(3.12 3.13 3.14)
summary=()
failed=0

# environment NAME PYTHON REQUIREMENT...: make it anew where its Python changed, and install into it
environment() {
    local home=".venvs/$1" python="$2"
    shift 2
    [ -x "$home/bin/python" ] || "$python" -m venv "$home"
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

step_examples() {
    environment examples "$PYTHON" '.[test]' &&
        ZARRC_HYPOTHESIS=thorough .venvs/examples/bin/pytest -q --timeout=0
}

step_debug() { # bounds checks and assertions in the kernels
    ZARRC_DEBUG=1 environment debug "$PYTHON" '.[test]' &&
        ZARRC_HYPOTHESIS=default .venvs/debug/bin/pytest -q -m 'not peer'
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
        .venvs/system/bin/pytest -q -m 'not peer' "${not_these[@]}"
}

step_sanitizers() { # out-of-bounds accesses, undefined behaviour
    # left out: a thread that is ended with the process unwinds its stack in a way that AddressSanitizer
    # takes for an overflow; and a handler that takes longer than its timer's period disturbs itself
    local library preload="" not_these=(
        --deselect tests/test_transfer.py::TestProcesses::test_a_daemon_thread_at_the_end
        --deselect tests/test_transfer.py::TestInterrupts::test_handlers_run_during_a_read
    )
    for library in libasan.so libubsan.so libstdc++.so; do
        preload+="$(gcc -print-file-name=$library) "
    done
    ZARRC_SANITIZE=address,undefined environment sanitizers "$PYTHON" '.[test]' &&
        LD_PRELOAD="$preload" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
            PYTHONMALLOC=malloc ZARRC_HYPOTHESIS=default \
            .venvs/sanitizers/bin/python .venvs/sanitizers/bin/pytest -q -m 'not peer and not slow' "${not_these[@]}"
}

step_python() { # VERSION
    local python
    if ! python="$(tools/find_python.sh "$1")"; then
        echo "no Python $1 on the PATH or among pyenv's"
        return 77
    fi
    environment "python$1" "$python" '.[test]' && ".venvs/python$1/bin/pytest" -q -m 'not peer'
}

step_free_threaded() {
    local python
    python="$(tools/free_threaded_python.sh)" || return 77
    # of these the newest versions that have wheels, also where packages are built; h5py and deflate have none
    PIP_ONLY_BINARY=numpy,hypothesis,google-crc32c environment free-threaded "$python" \
        pytest pytest-timeout hypothesis blosc zstandard lz4 google-crc32c numpy numcodecs &&
        environment free-threaded "$python" --no-deps . &&
        PYTHON_GIL=0 .venvs/free-threaded/bin/pytest -q -m 'not peer'
}

# run TITLE FUNCTION ARGUMENT...: 77 means that something is not there
run() {
    local title="$1" start=$SECONDS status=0 word
    shift
    printf '\n== %s\n' "$title"
    "$@" || status=$?
    case $status in
        0) word=passed ;;
        77) word=skipped ;;
        *) word=FAILED failed=1 ;;
    esac
    summary+=("$(printf '%-24s %-8s %5d s' "$title" "$word" $((SECONDS - start)))")
}

is_wanted() { [ ${#wanted[@]} -eq 0 ] || [[ " ${wanted[*]} " == *" $1 "* ]]; }

wanted=("$@")
for step in examples debug sanitizers system; do
    is_wanted "$step" && run "$step" "step_$step"
done
for version in "${OTHER_PYTHONS[@]}"; do
    is_wanted "python$version" && run "python$version" step_python "$version"
done
is_wanted free-threaded && run free-threaded step_free_threaded

printf '\n'
printf '%s\n' "${summary[@]}"
exit $failed
