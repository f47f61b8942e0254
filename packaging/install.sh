#!/bin/sh
# Installs the executable: fetches delta-server and SHA256SUMS from where a release lies, verifies the sum, and puts the file
# in its place in one step, once it runs here. Nothing is changed when anything fails.
# Usage: sh install.sh URL [DIRECTORY]        (DIRECTORY is /usr/local/bin by default)
set -eu
url=${1:?"usage: sh install.sh URL [DIRECTORY]"}
directory=${2:-/usr/local/bin}
name=delta-server
work=$(mktemp -d)
part="$directory/.$name.part"
trap 'rm -rf "$work" "$part"' EXIT
fetch() {
    if command -v curl > /dev/null; then
        curl --fail --silent --show-error --location --output "$work/$1" "$url/$1"
    else
        wget --quiet --output-document="$work/$1" "$url/$1"
    fi
}
fetch SHA256SUMS
fetch $name
grep " [ *]$name\$" "$work/SHA256SUMS" > "$work/sum" || { echo "SHA256SUMS does not name $name" >&2; exit 1; }
(cd "$work" && sha256sum --check --status sum) || { echo "the sum of $name is not that of SHA256SUMS: not installed" >&2; exit 1; }
mkdir -p "$directory"
cp "$work/$name" "$part"
chmod 0755 "$part"
version=$("$part" version 2> "$work/error") || {
    cat "$work/error" >&2
    if grep -q "failed to map segment" "$work/error"; then
        echo "$name unpacks itself into ${TMPDIR:-/tmp}, from which no program may run here: set TMPDIR to another directory," \
            "such as /var/tmp, now and wherever it is started" >&2
    fi
    echo "$name does not run here: not installed" >&2
    exit 1
}
mv "$part" "$directory/$name"
echo "installed $directory/$name: $version"
