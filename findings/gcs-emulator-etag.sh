#!/usr/bin/env bash
# gcp-storage-emulator (2026.7.19), Google Cloud Storage for tests, answers an object's PUT without an ETag. obstore
# (0.12.1) takes such an answer for broken and raises GenericError, after the object was stored: every write fails and is
# there all the same. So a program that uses obstore cannot be tested with this emulator.
# Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'kill %1 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip --disable-pip-version-check --quiet install gcp-storage-emulator==2026.7.19 obstore==0.12.1
venv/bin/gcp-storage-emulator start --host 127.0.0.1 --port 4569 --in-memory --quiet &
venv/bin/python - <<'PYTHON'
import json
import socket
import sys
import time
import urllib.request

import obstore
from obstore.store import GCSStore

ADDRESS = "http://127.0.0.1:4569"
while True:
    try:
        socket.create_connection(("127.0.0.1", 4569), 1).close()
        break
    except OSError:
        time.sleep(0.1)
made = urllib.request.Request(
    f"{ADDRESS}/storage/v1/b?project=p",
    method="POST",
    data=json.dumps({"name": "bucket"}).encode(),
    headers={"content-type": "application/json"},
)
urllib.request.urlopen(made).close()
account = {"gcs_base_url": ADDRESS, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
with open("account.json", "w") as file:
    json.dump(account, file)
store = GCSStore("bucket", service_account_path="account.json", client_options={"allow_http": True})
try:
    obstore.put(store, "object", b"content")
    said = "done"
except Exception as error:
    said = f"{type(error).__name__}, {'ETag' if 'ETag' in str(error) else 'something else'}"
there = urllib.request.urlopen(f"{ADDRESS}/storage/v1/b/bucket/o/object?alt=media").read()
print(f"gcp-storage-emulator 2026.7.19, obstore {obstore.__version__}")
print(f"put: {said}; there is {there!r} afterwards")
sys.exit(0 if (said, there) == ("GenericError, ETag", b"content") else 1)
PYTHON
