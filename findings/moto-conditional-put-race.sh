#!/usr/bin/env bash
# moto's server (5.2.5), an S3 for tests, compares the ETag of a PutObject with If-Match and then stores, each request in a
# thread and with nothing held in between. Of eight writes at once that name the same state, two are now and then both
# answered 200, which S3 never does. A test that exactly one of several writers wins passes or fails by chance.
# Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip --disable-pip-version-check --quiet install "moto[server,s3]==5.2.5" obstore==0.12.1
venv/bin/python - <<'PYTHON'
import asyncio
import logging
import sys
import urllib.request

import moto
import obstore
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

MOST_ROUNDS = 1000
sys.setswitchinterval(1e-6)  # threads take turns more often than on an idle machine, as they do on a busy one
logging.disable()


async def winners(store):
    tag = (await obstore.put_async(store, "state", b"0"))["e_tag"]
    writes = [obstore.put_async(store, "state", b"%d" % n, mode={"e_tag": tag}) for n in range(1, 9)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    return sum(not isinstance(result, BaseException) for result in results)


async def most(store):
    for number in range(1, MOST_ROUNDS + 1):
        if (found := await winners(store)) > 1:
            return number, found
    return MOST_ROUNDS, 1


server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"
urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT")).close()
store = S3Store(
    "bucket",
    endpoint=url,
    region="us-east-1",
    access_key_id="id",
    secret_access_key="secret",
    client_options={"allow_http": True},
)
number, found = asyncio.run(most(store))
server.stop()
print(f"moto {moto.__version__}, obstore {obstore.__version__}: in round {number}, {found} of 8 writes on one state won")
sys.exit(0 if found > 1 else 1)
PYTHON
