"""One contract for all stores of blobs: files, memory, and S3 as moto speaks it, over HTTP; with DELTA_AZURITE=1 Azure
as its emulator does, from npm. What several may change at once is tried with the generations of Google's too."""

import asyncio
import base64
import hmac
import json
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from email.utils import formatdate
from http.client import HTTPConnection
from pathlib import Path
from socket import create_connection
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from delta_server.core.errors import Invalid
from delta_server.storage.blobs.blobs import Blobs, BlobStoreFailed, Changed
from delta_server.storage.blobs.local import DRAFTS, LocalBlobs
from delta_server.storage.blobs.opening import open_blobs
from delta_server.storage.blobs.remote import PART_BYTES, RemoteBlobs
from tests.bench.postgres import free_port
from tests.histories import ROOT
from tests.storage.blobs.stores import serving_generations, without_conditions

KINDS = ["local", "memory", "s3", *(["az"] if os.environ.get("DELTA_AZURITE") else [])]
AZURITE = "azurite@3.35.0"
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of every emulator: https://learn.microsoft.com/azure/storage/common/storage-use-azurite"""
NO_ACCOUNT = {"client_email": "", "private_key": "", "private_key_id": ""}


def s3(endpoint: str, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=endpoint,
        region="us-east-1",
        access_key_id="id",
        secret_access_key="secret",
        client_options={"allow_http": True},
    )


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """moto compares and then stores, each request in a thread (findings/moto-conditional-put-race.sh): one at a time is
    what S3 does."""
    from moto.s3.responses import S3Response  # a tenth of a second, which each process of a run would take
    from moto.server import ThreadedMotoServer

    one, put = threading.Lock(), S3Response.put_object

    def put_alone(response: S3Response) -> Any:
        with one:
            return put(response)

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(S3Response, "put_object", put_alone)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory, port = ROOT / "build" / "peers" / "azurite", free_port()
    subprocess.run(["npm", "install", "--silent", "--prefix", directory, AZURITE], check=True)
    program = directory / "node_modules" / ".bin" / "azurite-blob"
    options = ["--blobPort", str(port), "--location", str(tmp_path_factory.mktemp("azurite")), "--skipApiVersionCheck"]
    with subprocess.Popen([program, *options, "--silent"]) as process:
        while process.poll() is None:
            with suppress(OSError):
                create_connection(("127.0.0.1", port), 1).close()
                break
        yield f"http://127.0.0.1:{port}/{AZURE_ACCOUNT}"
        process.kill()


@pytest.fixture(params=KINDS)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blobs]:
    bucket = "b" + os.urandom(8).hex()
    if request.param == "local":
        yield LocalBlobs(tmp_path / "blobs")
    elif request.param == "memory":
        yield RemoteBlobs(MemoryStore())
    elif request.param == "s3":
        address: str = request.getfixturevalue("endpoint")
        urlopen(Request(f"{address}/{bucket}", method="PUT")).close()
        yield RemoteBlobs(s3(address, bucket))
    elif request.param == "az":
        yield RemoteBlobs(azure(request.getfixturevalue("azurite"), bucket))
    else:
        account = tmp_path / "account.json"
        with serving_generations() as address:
            account.write_text(json.dumps({"gcs_base_url": address, "disable_oauth": True, **NO_ACCOUNT}))
            yield RemoteBlobs(GCSStore(bucket, service_account_path=str(account), client_options={"allow_http": True}))


def azure(address: str, container: str) -> AzureStore:
    """A new container. obstore makes none, and the emulator takes signed requests alone."""
    date, path = formatdate(usegmt=True), f"/{AZURE_ACCOUNT}/{container}"
    signed = f"PUT{12 * chr(10)}x-ms-date:{date}\nx-ms-version:2021-08-06\n/{AZURE_ACCOUNT}{path}\nrestype:container"
    signature = base64.b64encode(hmac.digest(base64.b64decode(AZURE_KEY), signed.encode(), "sha256")).decode()
    headers = {"x-ms-date": date, "x-ms-version": "2021-08-06", "content-length": "0"}
    connection = HTTPConnection(urlsplit(address).netloc)
    connection.request(
        "PUT",
        f"{path}?restype=container",
        headers={**headers, "authorization": f"SharedKey {AZURE_ACCOUNT}:{signature}"},
    )
    assert connection.getresponse().status == 201
    connection.close()
    return AzureStore(
        container,
        account_name=AZURE_ACCOUNT,
        account_key=AZURE_KEY,
        endpoint=address,
        client_options={"allow_http": True},
    )


async def write(blobs: Blobs, key: str, *pieces: bytes) -> None:
    async with blobs.create_write_stream(key) as stream:
        for piece in pieces:
            await stream.write(piece)


async def read(blobs: Blobs, key: str, start: int = 0, end: int | None = None) -> bytes | None:
    stream = await blobs.create_read_stream(key, start, end)
    return None if stream is None else b"".join([piece async for piece in stream])


async def keys(blobs: Blobs, prefix: str = "") -> list[str]:
    return sorted([blob.key async for blob in blobs.list(prefix)])


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", ".a", "a/../b", "a/.drafts/b", "a\nb", "a\\b", "c:a", "a" * 901, "a\0b"]
)
async def test_what_is_no_key_is_refused(blobs: Blobs, key: str) -> None:
    with pytest.raises(Invalid):
        await blobs.create_read_stream(key)
    with pytest.raises(Invalid):
        await write(blobs, key, b"a")
    with pytest.raises(Invalid):
        await blobs.put_if(key, b"a", None)


async def test_what_is_not_there(blobs: Blobs) -> None:
    assert await read(blobs, "a/b") is None
    assert await blobs.get("a/b") is None
    assert not await blobs.resource_exists("a/b")
    await blobs.delete_resource("a/b")
    with pytest.raises(FileNotFoundError):
        await blobs.move_resource("a/b", "a/c")
    assert await blobs.get_range("a/b", 0, 1) is None
    assert await blobs.get_range("a/b", 1, 1) is None
    with pytest.raises(FileNotFoundError) as raised:
        list(blobs.read("a/b"))
    assert raised.value.filename.endswith("a/b")
    assert "\n" not in str(raised.value)
    assert await keys(blobs) == []


@pytest.mark.parametrize(
    "pieces", [(), (b"",), (b"a",), (b"a" * 70, b"", b"b" * 3), (b"a" * PART_BYTES, b"b" * (PART_BYTES + 1), b"c")]
)
async def test_what_was_written_is_read(blobs: Blobs, pieces: tuple[bytes, ...]) -> None:
    await blobs.ensure_parent("a/b")
    await write(blobs, "a/b", *pieces)
    whole = b"".join(pieces)
    assert await read(blobs, "a/b") == b"".join(blobs.read("a/b")) == whole
    assert await blobs.resource_exists("a/b")
    size = len(whole)
    for start, end in [
        (0, 1),
        (1, None),
        (size // 2, size // 2 + 5),
        (size, None),
        (0, size + 9),
        (3, 3),
        (size, size + 1),
        (size + 5, size + 9),
    ]:
        assert await read(blobs, "a/b", start, end) == whole[start:end]
        if end is not None:
            assert await blobs.get_range("a/b", start, end) == whole[start:end]


async def test_what_breaks_off_is_never_there(blobs: Blobs) -> None:
    await write(blobs, "a/b", b"before")

    async def break_off(size: int) -> None:
        async with blobs.create_write_stream("a/b") as stream:
            await stream.write(b"x" * size)
            raise ZeroDivisionError

    for size in (1, 2 * PART_BYTES):
        with pytest.raises(ZeroDivisionError):
            await break_off(size)
    assert await read(blobs, "a/b") == b"before"
    assert await keys(blobs) == ["a/b"]


async def test_a_writer_that_is_cancelled_leaves_nothing(blobs: Blobs) -> None:
    begun = asyncio.Event()

    async def stay() -> None:
        async with blobs.create_write_stream("a/b") as stream:
            await stream.write(b"x" * PART_BYTES)
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(stay())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await keys(blobs) == []


async def test_moves_and_deletions(blobs: Blobs) -> None:
    await write(blobs, "a/b", b"1")
    await write(blobs, "c", b"2")
    await blobs.move_resource("a/b", "c")
    assert (await read(blobs, "a/b"), await read(blobs, "c")) == (None, b"1")
    await blobs.delete_resource("c")
    await blobs.delete_resource("c")
    assert await keys(blobs) == []


async def test_lists_go_by_whole_folders(blobs: Blobs) -> None:
    for key in ["a/b/1", "a/b/2", "a/bc/1", "d"]:
        await write(blobs, key, b"12")
    assert await keys(blobs, "a/b") == ["a/b/1", "a/b/2"]
    assert await keys(blobs, "e") == []
    assert await keys(blobs) == ["a/b/1", "a/b/2", "a/bc/1", "d"]
    assert {blob.size async for blob in blobs.list("")} == {2}


@pytest.mark.parametrize("blobs", [*KINDS, "gs"], indirect=True)
async def test_a_state_is_replaced_by_who_knows_it(blobs: Blobs) -> None:
    other = await blobs.put_if("other", b"0", None)
    with pytest.raises(Changed):
        await blobs.put_if("a/m", b"1", other)
    first = await blobs.put_if("a/m", b"1", None)
    with pytest.raises(Changed):
        await blobs.put_if("a/m", b"2", None)
    found = await blobs.get("a/m")
    assert found is not None
    assert (found.content, found.tag) == (b"1", first)
    second = await blobs.put_if("a/m", b"2", found.tag)
    with pytest.raises(Changed):
        await blobs.put_if("a/m", b"3", first)
    found = await blobs.get("a/m")
    assert found is not None
    assert (found.content, found.tag) == (b"2", second)


@pytest.mark.parametrize("blobs", [*KINDS, "gs"], indirect=True)
async def test_of_many_at_once_one_replaces_a_state(blobs: Blobs) -> None:
    tag = await blobs.put_if("m", b"0", None)
    writes = [blobs.put_if("m", b"%d" % number, tag) for number in range(1, 9)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(result, str) for result in results) == 1
    assert sum(isinstance(result, Changed) for result in results) == 7


async def test_a_store_that_writes_whatever_the_condition_is_refused(endpoint: str) -> None:
    """As s3rver 3.7.1 (findings/s3rver-conditional-put.sh): of two that replace a state both would think they did."""
    urlopen(Request(f"{endpoint}/careless", method="PUT")).close()
    with without_conditions(endpoint) as address:
        blobs = RemoteBlobs(s3(address, "careless"))
        with pytest.raises(BlobStoreFailed, match="does not keep to conditions"):
            await blobs.put_if("m", b"1", None)
        assert await keys(blobs) == []


async def test_a_store_that_refuses_says_so(endpoint: str, tmp_path: Path) -> None:
    nowhere = RemoteBlobs(s3(endpoint, "no-such-bucket"))
    with pytest.raises(BlobStoreFailed, match=r"storage\.blobs"):
        await write(nowhere, "a", b"x")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BlobStoreFailed, match="the blob store failed"):
        await write(LocalBlobs(tmp_path / "file"), "a", b"x")


async def test_files_and_folders_are_their_owners_alone(tmp_path: Path) -> None:
    blobs, before = LocalBlobs(tmp_path / "backups"), os.umask(0)
    try:
        async with blobs.create_write_stream("a/b") as stream:
            await stream.write(b"all")
        await blobs.put_if("a/c", b"{}", None)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "backups", *tmp_path.rglob("a"))}
    assert modes == {"backups": 0o700, "a": 0o700}
    assert {stat.S_IMODE((tmp_path / "backups/a" / name).stat().st_mode) for name in "bc"} == {0o600}


async def test_drafts_of_a_server_that_was_killed_go(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    await blobs.delete_unfinished()
    await blobs.put_if("a", b"1", None)
    for name in ("new", "old"):
        (tmp_path / DRAFTS / name).write_bytes(b"x")
    os.utime(tmp_path / DRAFTS / "old", (0, 0))
    await blobs.delete_unfinished()
    assert {path.name for path in (tmp_path / DRAFTS).iterdir()} == {"lock", "new"}


@pytest.mark.parametrize(
    ("address", "kind"),
    [("", LocalBlobs), ("elsewhere", LocalBlobs), ("file:///elsewhere", LocalBlobs), ("memory://", RemoteBlobs)],
)
def test_addresses(tmp_path: Path, address: str, kind: type[Blobs]) -> None:
    assert isinstance(open_blobs(address, tmp_path), kind)


@pytest.mark.parametrize("address", ["ftp://a/b", "s3://", "://"])
def test_addresses_that_are_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(Invalid):
        open_blobs(address, tmp_path)
