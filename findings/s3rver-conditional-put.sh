#!/usr/bin/env bash
# s3rver (3.7.1, npm), an S3 for tests, takes a PutObject with If-None-Match: * or with an If-Match that does not fit, and
# overwrites what is there, with 200 and no word of it; obstore (0.12.1) has no way to notice. A program whose writers agree
# by conditional writes loses states on it in silence, and its tests of that pass or fail by chance. And a range of the
# first byte (bytes=0-0) is answered with all bytes of the object, which obstore refuses.
# Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'kill %1 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
echo '{}' > package.json
npm install --silent --no-audit --no-fund s3rver@3.7.1
python3 -m venv venv
venv/bin/pip --disable-pip-version-check --quiet install obstore==0.12.1
mkdir data
node node_modules/.bin/s3rver --address 127.0.0.1 --port 4568 --directory data --silent --configure-bucket bucket &
venv/bin/python - <<'PYTHON'
import socket
import sys
import time

import obstore
from obstore.store import S3Store

while True:
    try:
        socket.create_connection(("127.0.0.1", 4568), 1).close()
        break
    except OSError:
        time.sleep(0.1)
store = S3Store(
    "bucket",
    endpoint="http://127.0.0.1:4568",
    region="us-east-1",
    access_key_id="S3RVER",
    secret_access_key="S3RVER",
    client_options={"allow_http": True},
)


def tried(work):
    try:
        return work() or "done"
    except Exception as error:
        return type(error).__name__


obstore.put(store, "state", b"first", mode="create")
again = tried(lambda: obstore.put(store, "state", b"second", mode="create") and None)
other = tried(lambda: obstore.put(store, "state", b"third", mode={"e_tag": '"of another state"'}) and None)
content = bytes(obstore.get(store, "state").bytes())
first = tried(lambda: bytes(obstore.get_range(store, "state", start=0, end=1)))
print(f"s3rver 3.7.1, obstore {obstore.__version__}")
print(f"create where there is one: {again}; on another ETag: {other}; then there is {content!r}")
print(f"its first byte: {first}")
sys.exit(0 if (again, other, content, first) == ("done", "done", b"third", "GenericError") else 1)
PYTHON
