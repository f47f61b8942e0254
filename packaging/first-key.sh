#!/bin/sh
# Makes an admin key of the project "home" in a new data directory, before the server first starts, keeps it in first.key
# beside the database, readable by the owner alone, and prints it; later it prints the same one, for as long as it is there.
# Who has taken it away is made no other.
set -eu
umask 077
trap "rm -f first.key.part" EXIT
cd "${DELTA_DATA_DIR:?names the data directory}"
if [ ! -s first.key ] && ! delta-server key list --json --data-dir . 2> /dev/null | grep -q .; then
    delta-server key create --project home --scope admin --name first --data-dir . > first.key.part
    mv first.key.part first.key
fi
if [ -s first.key ]; then
    cat first.key
else
    echo "there is a key already, which is kept elsewhere: delta-server key create makes another" >&2
fi
