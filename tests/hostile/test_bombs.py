"""1 GiB in 32 kB against the real server: it says 413 and its memory hardly moves."""

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
import zstandard

from tests.server_process import Server, create_key, serving

GIB = 1 << 30
MAX_RISE = 64 << 20


class Bombed(msgspec.Struct):
    server: Server
    key: str

    def rss_bytes(self) -> int:
        """The most it ever used: VmHWM."""
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        match = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert match
        return int(match[1]) * 1024


@pytest.fixture(scope="module")
def bombed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bombed]:
    directory = tmp_path_factory.mktemp("bombs")
    key = create_key(directory, "p")
    with serving(directory, DELTA_LOG_LEVEL="error") as server:
        yield Bombed(server, key)


def zstd_bomb(*, sized: bool, frames: int = 1) -> bytes:
    compressor = zstandard.ZstdCompressor(level=1).compressobj(size=GIB // frames if sized else -1)
    piece = bytes(1 << 20)
    frame = b"".join(compressor.compress(piece) for _ in range(GIB // frames >> 20)) + compressor.flush()
    return frame * frames


def gzip_bomb(*, members: int = 1) -> bytes:
    """A flushed MiB of zeros over and over: the checksum at the end is wrong, but nobody should get there."""
    compressor = zlib.compressobj(9, wbits=31)
    head = compressor.compress(b"") + compressor.flush(zlib.Z_FULL_FLUSH)
    piece = compressor.compress(bytes(1 << 20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    if members == 1:
        return head + piece * (GIB >> 20) + compressor.flush()
    return gzip.compress(bytes(GIB // members)) * members


BOMBS = {
    "zstd, its size told": ("zstd", lambda: zstd_bomb(sized=True)),
    "zstd, its size not told": ("zstd", lambda: zstd_bomb(sized=False)),
    "zstd, 64 frames": ("zstd", lambda: zstd_bomb(sized=True, frames=64)),
    "gzip": ("gzip", lambda: gzip_bomb()),
    "gzip, 64 members": ("gzip", lambda: gzip_bomb(members=64)),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory from /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_bombs(bombed: Bombed, name: str) -> None:
    encoding, make = BOMBS[name]
    bomb = make()
    headers = {"x-api-key": bombed.key, "content-type": "application/json", "content-encoding": encoding}
    for path in ("/v1/endpoints", "/v1/snapshots?endpoint=bomb"):
        before = bombed.rss_bytes()
        answer = httpx.post(bombed.server.url + path, content=bomb, headers=headers, timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
        assert bombed.rss_bytes() - before < MAX_RISE
    assert httpx.get(bombed.server.url + "/healthz").status_code == 200
