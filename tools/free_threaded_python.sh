#!/usr/bin/env bash
# Print the path of a free-threaded Python, the newest on the PATH or one built into .peers/.
#
# No package of Debian or PyPI holds one, so where it is missing it is built (about five minutes) from the
# source package of Debian's release RELEASE, fetched from the mirror that this machine's apt uses.
# Nothing in the system's apt settings changes. Fails where that cannot be done.
set -euo pipefail
cd "$(dirname "$0")/.."
RELEASE=trixie
VERSION=3.13
PREFIX="$PWD/.peers/python${VERSION}t"
WORK="$PWD/build/free-threaded"

say() { echo "$@" >&2; }

for candidate in python3.14t python3.13t "$PREFIX/bin/python${VERSION}t"; do
    if "$candidate" -c 'pass' 2>/dev/null; then
        command -v "$candidate"
        exit
    fi
done

if ! command -v apt-get >/dev/null; then
    say "no free-threaded Python found, and this is not Debian to build one"
    exit 1
fi
tools/services.sh free-threaded >&2

# the Debian mirror in use, and an apt of our own that knows the sources of RELEASE
mirror="$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' | awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }')"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mkdir -p "$WORK"/{lists/partial,cache/archives/partial,source}
echo "deb-src [signed-by=$keyring] $mirror $RELEASE main" >"$WORK/sources.list"
own_apt=(
    -qq
    -o "Dir::Etc::sourcelist=$WORK/sources.list"
    -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$WORK/lists"
    -o "Dir::Cache=$WORK/cache"
    -o "APT::Sandbox::User=$(id -un)"
)
say "fetching the source of python$VERSION"
apt-get "${own_apt[@]}" update >&2
(cd "$WORK/source" && apt-get "${own_apt[@]}" source --download-only "python$VERSION" >&2)
tar -xf "$(find "$WORK/source" -name '*.orig.tar.*' ! -name '*.asc')" -C "$WORK/source"

say "building it in $WORK (the log is build.log there)"
(
    cd "$WORK"/source/[Pp]ython*/
    ./configure --prefix="$PREFIX" --disable-gil --with-ensurepip=install
    make -j "$(nproc)"
    make install
) >"$WORK/build.log" 2>&1 || {
    tail -n 20 "$WORK/build.log" >&2
    exit 1
}
rm -rf "$WORK/source" "$WORK/lists" "$WORK/cache"
echo "$PREFIX/bin/python${VERSION}t"
