"""Real version histories for tests and benches: those in DELTA_HISTORIES or ../shared/data, else the packaged one."""

import os
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

import msgspec
import zstandard

ROOT = Path(__file__).parent.parent
PACKAGED = ROOT / "delta_server" / "data"
TINY = 30


class Line(msgspec.Struct, frozen=True):
    at: str
    body: str


def directory() -> Path:
    """Where the histories are; the packaged one stands alone in its directory."""
    chosen = os.environ.get("DELTA_HISTORIES")
    beside = Path(chosen) if chosen else ROOT.parent / "shared" / "data"
    return beside if any(beside.glob("*.ndjson.zst")) else PACKAGED


def names() -> list[str]:
    return sorted(path.name.removesuffix(".ndjson.zst") for path in directory().glob("*.ndjson.zst"))


def lines(name: str) -> Iterator[Line]:
    """The versions, oldest first; with DELTA_BENCH_TINY=1 the first of them."""
    every = _all_lines(name)
    return islice(every, TINY) if os.environ.get("DELTA_BENCH_TINY") == "1" else every


def _all_lines(name: str) -> Iterator[Line]:
    decode = msgspec.json.Decoder(Line).decode
    decompressor = zstandard.ZstdDecompressor(max_window_size=2**27)
    with (directory() / f"{name}.ndjson.zst").open("rb") as file, decompressor.stream_reader(file) as reader:
        rest = b""
        while chunk := reader.read(1 << 20):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from map(decode, whole)
        if rest:
            yield decode(rest)


@lru_cache(maxsize=1)
def versions(name: str) -> list[bytes]:
    """The documents of a history, oldest first."""
    return [line.body.encode() for line in lines(name)]
