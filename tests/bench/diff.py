"""The diff beside its peers, from the bytes of two versions to the bytes of the operations between them."""

import json
import random
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import jsonpatch
import msgspec

from delta_server.core.diff.change_list import encode
from delta_server.core.diff.compare import diff
from delta_server.core.diff.json_patch import json_patch, merge_patch
from delta_server.features.deltas.summaries import to_summary
from tests import histories
from tests.bench.table import Row, Skip, bench
from tests.bench.turns import ROUNDS, sized

NODE = Path(__file__).parent / "node"
MAX_BYTES = 60_000_000  # of a history: a stretch of consecutive versions from its end
JSONPATCH_PAIRS = sized(40, 3)
RECORDS = sized(20_000, 10_000)
EDITED_RECORDS = sized(50_000, 200)
WINDOWS = sized((10_000, 100_000), (300,))
PEER_MB = 2048

Pairs = list[tuple[bytes, bytes]]


class Peer(msgspec.Struct):
    """What a script in node/ prints."""

    seconds: list[float]
    bytes: int
    operations: int


@bench("diff: consecutive versions, fast-json-patch")
def consecutive() -> Iterator[Row]:
    node = node_or_skip()
    for name in histories.names():
        stretch = _stretch(histories.versions(name))
        pairs = list(pairwise(stretch))
        with tempfile.TemporaryDirectory() as directory:
            path = written(Path(directory), stretch)
            rounds = [(_ours(pairs), _fast_json_patch(node, path)) for _ in range(ROUNDS)]
        ours, peer = (_typical_us([side.seconds for side in sides]) for sides in zip(*rounds, strict=True))
        mine, theirs = rounds[0]
        counts = [side.operations / len(pairs) for side in (mine, theirs)]
        note = f"{len(pairs)} pairs, {counts[0]:.1f} operations against {counts[1]:.1f}"
        yield Row(f"diff: {name}", ours, "us", peer, "fast-json-patch", bar=1.0, note=note)
        sizes = mine.bytes / len(pairs), theirs.bytes / len(pairs)
        yield Row(f"diff: {name}, size of operations", sizes[0], "B", sizes[1], "fast-json-patch", bar=1.0)


@bench("diff: consecutive versions, jsonpatch")
def consecutive_python() -> Iterator[Row]:
    for name in histories.names():
        versions = histories.versions(name)
        step = max(1, len(versions) // JSONPATCH_PAIRS)
        pairs = [(versions[i - 1], versions[i]) for i in range(1, len(versions), step)]
        rounds = [(_seconds(_operations, pairs), _seconds(_jsonpatch, pairs)) for _ in range(ROUNDS)]
        ours, peer = (_typical_us(list(sides)) for sides in zip(*rounds, strict=True))
        yield Row(f"diff: {name}", ours, "us", peer, "jsonpatch", bar=0.1, note=f"{len(pairs)} pairs")


@bench("diff: one change in 5 MB")
def one_change() -> Iterator[Row]:
    records = records_of_5_mb()
    before = msgspec.json.encode(records)
    changed = [*records[:7], {**records[7], "amount": 1}, *records[8:]]
    middle = [*records[:9_000], {**records[9_000], "amount": 1}, *records[9_001:]]
    size = f"{len(before) / 1e6:.1f} MB, {RECORDS:,} records"
    for what, after in (("field changed near the head", changed), ("field changed in the middle", middle)):
        yield _beside_decode(f"diff: one {what}", before, msgspec.json.encode(after), size)
    yield _beside_decode("diff: one record removed at the head", before, msgspec.json.encode(records[1:]), size)
    for what, members in (("in an object", 1), ("in one of 20 members with odd names", 20)):
        pair = _in_object(records, members), _in_object(middle, members)
        yield _beside_decode(f"diff: one field changed {what}", *pair, size)


def _in_object(records: list[dict[str, object]], members: int) -> bytes:
    share = len(records) // members
    parts = {f'part "{i}" \\': records[i * share : (i + 1) * share] for i in range(members)}
    return msgspec.json.encode({"count": len(records), **parts, "more": False})


@bench("diff: 50,000 edited records")
def edited_records() -> Iterator[Row]:
    before, after = (
        msgspec.json.encode(
            [{"id": f"r{i:05}", "v": (i * 7 % 1000 + step) / 10, "n": "ab"} for i in range(EDITED_RECORDS)]
        )
        for step in (0, 1)
    )
    for what, write in EDITED.items():
        used = []
        for _ in range(ROUNDS):
            started = time.process_time()
            write(before, after)
            used.append(time.process_time() - started)
        note = f"of CPU; {len(before) / 1e6:.1f} MB, one number changed in each"
        yield Row(f"diff: 50,000 edited records, {what}", median(used) * 1e3, "ms", bar=1000, note=note)


EDITED: dict[str, Callable[[bytes, bytes], object]] = {
    "delta": lambda before, after: to_summary(diff(before, after)),
    "json-patch": lambda before, after: json_patch(diff(before, after)),
    "merge-patch": lambda before, after: merge_patch(diff(before, after)),
    "changes": lambda before, after: encode(diff(before, after)),
}


@bench("diff: arrays of two values")
def two_values() -> Iterator[Row]:
    node = node_or_skip()
    for length in WINDOWS:
        for what, before, after in _windows(length):
            pair = json.dumps(before).encode(), json.dumps(after).encode()
            seconds = [_seconds(_operations, [pair]) for _ in range(ROUNDS)]
            found = diff(*pair)
            edits = f"{found.changes_count} edits, {found.replaced} of them replaced, {found.moved} moved"
            peer, note = _jsondiffpatch(node, pair)
            name = f"diff: {length:,} of two values, {what}"
            yield Row(
                name, _typical_us(seconds) / 1e3, "ms", peer * 1e3, "jsondiffpatch", bar=1 / 3, note=f"{edits}; {note}"
            )


def _windows(length: int) -> Iterator[tuple[str, list[int], list[int]]]:
    """A window that slid by one, a few values flipped, and both."""
    chance = random.Random(length)
    values = [chance.randrange(2) for _ in range(length + 1)]
    flipped = values[:]
    for place in chance.sample(range(10, length - 10), 6):
        flipped[place] = 1 - flipped[place]
    yield "slid by 1", values[:-1], values[1:]
    yield "6 flips", values[:-1], flipped[:-1]
    yield "slid and flipped", values[:-1], flipped[1:]


def _jsondiffpatch(node: str, pair: tuple[bytes, bytes]) -> tuple[float, str]:
    """Its seconds and edits; its table of length x length may not fit the memory, then the seconds until it knows."""
    with tempfile.TemporaryDirectory() as directory:
        path = written(Path(directory), list(pair))
        started = time.perf_counter()
        run = subprocess.run([node, f"--max-old-space-size={PEER_MB}", NODE / "arrays.js", path], capture_output=True)
        if run.returncode:
            return time.perf_counter() - started, f"the peer ran out of {PEER_MB} MB"
    peer = msgspec.json.decode(run.stdout, type=Peer)
    return peer.seconds[0], f"the peer {peer.operations} removed or added"


def _beside_decode(name: str, before: bytes, after: bytes, size: str) -> Row:
    operations = len(json.loads(json_patch(diff(before, after))))
    assert operations == 1, f"{name}: {operations} operations"
    pairs = [(before, after)]
    rounds = [(_seconds(_operations, pairs), _seconds(_decode_both, pairs)) for _ in range(ROUNDS)]
    ours, peer = (_typical_us(list(sides)) / 1e3 for sides in zip(*rounds, strict=True))
    return Row(name, ours, "ms", peer, "msgspec.json.decode of both", bar=0.8, note=f"{size}, 1 operation")


def records_of_5_mb() -> list[dict[str, object]]:
    chance = random.Random(7)
    return [
        {
            "id": f"rec_{i:06}",
            "name": f"Customer number {i}",
            "amount": chance.randrange(10**6) / 100,
            "currency": chance.choice(["EUR", "USD", "CHF"]),
            "tags": chance.sample(["new", "vip", "late", "trial", "partner"], 2),
            "address": {
                "street": f"Main Street {i % 400}",
                "city": chance.choice(["Bern", "Rome", "Oslo"]),
                "zip": 1000 + i,
            },
            "note": "x" * 50,
        }
        for i in range(RECORDS)
    ]


def _operations(before: bytes, after: bytes) -> bytes:
    return json_patch(diff(before, after))


def _decode_both(before: bytes, after: bytes) -> None:
    msgspec.json.decode(before)
    msgspec.json.decode(after)


def _jsonpatch(before: bytes, after: bytes) -> None:
    jsonpatch.make_patch(json.loads(before), json.loads(after)).to_string()


def _seconds(function: Callable[[bytes, bytes], object], pairs: Pairs) -> list[float]:
    seconds = []
    for before, after in pairs:
        started = time.perf_counter()
        function(before, after)
        seconds.append(time.perf_counter() - started)
    return seconds


def _typical_us(rounds: list[list[float]]) -> float:
    """The mean over all pairs of each pair's median over the rounds."""
    typical: list[float] = [median(times) for times in zip(*rounds, strict=True)]
    return sum(typical) / len(typical) * 1e6


def _ours(pairs: Pairs) -> Peer:
    written: list[bytes] = []
    seconds = _seconds(lambda before, after: written.append(_operations(before, after)), pairs)
    operations = sum([len(msgspec.json.decode(patch, type=list[msgspec.Raw])) for patch in written])
    return Peer(seconds, sum(map(len, written)), operations)


def _fast_json_patch(node: str, path: Path) -> Peer:
    run = subprocess.run([node, NODE / "diff.js", path], check=True, capture_output=True)
    return msgspec.json.decode(run.stdout, type=Peer)


def _stretch(versions: list[bytes]) -> list[bytes]:
    """The newest versions that fit MAX_BYTES."""
    room, count = MAX_BYTES, 0
    for version in reversed(versions):
        room -= len(version)
        if room < 0:
            break
        count += 1
    return versions[-count:]


def written(directory: Path, versions: list[bytes]) -> Path:
    path = directory / "versions"
    path.write_bytes(b"".join(struct.pack("<I", len(version)) + version for version in versions))
    return path


def node_or_skip() -> str:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Skip("Node.js is not installed")
    wanted = json.loads((NODE / "package.json").read_text())["dependencies"]
    if not all((NODE / "node_modules" / name).exists() for name in wanted):
        installed = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=NODE, capture_output=True
        )
        if installed.returncode:
            raise Skip("npm ci in tests/bench/node failed")
    return node
