#!/usr/bin/env bash
# Get what the table in services.txt lists. What is there already is left alone.
#
#   tools/services.sh                 everything
#   tools/services.sh zarr2 zarr3     only these rows
#
# PYTHON   the interpreter that makes the environments of peers that name none (default: python3)
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3}"
failed=0

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

get_debian() { # NAME PACKAGES...
    local name="$1" package missing=()
    shift
    for package in "$@"; do is_installed "$package" || missing+=("$package"); done
    [ ${#missing[@]} -eq 0 ] && return
    if ! command -v apt-get >/dev/null; then
        echo "$name: this is not Debian; get what corresponds to: ${missing[*]}" >&2
    elif [ "$(id -u)" -ne 0 ]; then
        echo "$name: run as root: apt-get install -y --no-install-recommends ${missing[*]}" >&2
        return 1
    else
        echo "== $name: ${missing[*]}"
        apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
}

get_on-demand() { get_debian "$@"; }

get_peer() { # NAME [PYTHON] REQUIREMENTS...
    local name="$1" home=".peers/$1" wanted="${*:2}" python="$PYTHON"
    shift
    [ "$(cat "$home/installed.txt" 2>/dev/null)" = "$wanted" ] && return
    echo "== $name: $wanted"
    if [[ "$1" == python3.* ]]; then
        if ! python="$(tools/find_python.sh "${1#python}")"; then
            echo "$name: no ${1^} on the PATH or among pyenv's; its tests are skipped"
            return
        fi
        shift
    fi
    rm -rf "$home" &&
        "$python" -m venv "$home" &&
        "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$@" &&
        echo "$wanted" >"$home/installed.txt"
}

get_npm() { # NAME PACKAGES...
    local name="$1" home=".peers/$1"
    shift
    [ "$(cat "$home/installed.txt" 2>/dev/null)" = "$*" ] && return
    command -v npm >/dev/null || get_debian "$name" nodejs npm || return 1
    echo "== $name: $*"
    rm -rf "$home" && mkdir -p "$home" &&
        npm install --silent --no-audit --no-fund --prefix "$home" "$@" >/dev/null &&
        echo "$*" >"$home/installed.txt"
}

while read -r kind name what; do
    [[ -z "$kind" || "$kind" == \#* ]] && continue
    [[ $# -gt 0 && " $* " != *" $name "* ]] && continue
    [[ $# -eq 0 && "$kind" = on-demand ]] && continue
    read -ra items <<<"$what"
    "get_$kind" "$name" "${items[@]}" || { echo "!! $name could not be had" >&2; failed=1; }
done <tools/services.txt
exit $failed
