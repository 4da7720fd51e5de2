#!/usr/bin/env bash
# Print the path of an interpreter of version $1, be it on the PATH or one of pyenv's; fail where there is none.
for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1"*/bin/python; do
    if "$candidate" -c 'pass' 2>/dev/null; then
        command -v "$candidate"
        exit
    fi
done
exit 1
