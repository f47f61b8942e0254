"""Places for cold storage: a folder, memory, and S3 as moto speaks it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from delta_server.services import Services

KINDS = ["folder", "memory", "s3"]


@contextmanager
def place(kind: str, tmp_path: Path) -> Iterator[str]:
    """Its address."""
    if kind == "folder":
        yield str(tmp_path / "cold")
    elif kind == "memory":
        yield "memory:///"
    else:
        with moto() as address, pytest.MonkeyPatch.context() as patched:
            bucket = f"b{os.urandom(8).hex()}"  # all servers of moto in a process have the same
            urlopen(Request(f"{address}/{bucket}", method="PUT")).close()
            patched.setenv("AWS_ENDPOINT_URL", address)
            patched.setenv("AWS_ACCESS_KEY_ID", "id")
            patched.setenv("AWS_SECRET_ACCESS_KEY", os.urandom(8).hex())
            patched.setenv("AWS_REGION", "us-east-1")
            yield f"s3://{bucket}/of/delta"


@contextmanager
def moto() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # a tenth of a second, which each process of a run would take

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


async def keys_in(svc: Services, address: str) -> list[str]:
    """Of objects."""
    store = await svc.contents.cold.store(address)
    return sorted([blob.key async for blob in store.list("") if "/" in blob.key and "s/" in blob.key])


def harm(path: Path, how: str) -> None:
    """Of an object in a folder: one bit of it is another ("flip"), or it is deleted."""
    if how == "delete":
        path.unlink()
        return
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
