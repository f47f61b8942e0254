"""Two arrays of millions of digits compared, from bytes to the bytes of the operations: the time and the memory of a
process of its own, beside jsondiffpatch and fast-json-patch on Node."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median

import msgspec

from tests.bench.diff import NODE, PEER_MB, node_or_skip, written
from tests.bench.table import Row, bench
from tests.bench.turns import in_turn, sized
from tests.histories import ROOT

DIGITS = sized(8_000_000, 300)
ROUNDS = sized(3, 1)
FLIPS = 6
MOST_SECONDS, MOST_MB, PEER_SECONDS = 3, 200, 60

OURS = """
import struct, sys, time
from delta_server.core.diff.compare import diff
from delta_server.core.diff.json_patch import json_patch

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024

json_patch(diff(b"[1,2]", b"[1,3]"))
versions = []
with open(sys.argv[1], "rb") as file:
    while size := file.read(4):
        versions.append(file.read(*struct.unpack("<I", size)))
before, started = peak(), time.perf_counter()
patch = json_patch(diff(*versions))
print(time.perf_counter() - started, peak() - before, patch.count(b'"op"'))
"""


@bench("diff: two arrays of 8M digits")
def digits() -> Iterator[Row]:
    node = node_or_skip()
    for what, before, after in _pairs():
        with tempfile.TemporaryDirectory() as directory:
            path = written(Path(directory), [before, after])
            rounds = in_turn(lambda: _ours(path), lambda: _peer(node, "diff.js", path), rounds=ROUNDS)  # noqa: B023 - called at once
            other, other_note = _peer(node, "arrays.js", path)
        ours = [mine for mine, _ in rounds]
        seconds, mb = (median(each[i] for each in ours) for i in (0, 1))
        peer = median(theirs for _, (theirs, _) in rounds)
        name = f"diff: two arrays of {DIGITS:,} digits, {what}"
        note = f"{ours[0][2]} operations; {rounds[0][1][1]}"
        ratios = tuple(mine[0] / theirs for mine, (theirs, _) in rounds)
        yield Row(name, seconds, "s", peer, "fast-json-patch", MOST_SECONDS, "ours", note=note, ratios=ratios)
        yield Row(name, seconds, "s", other, "jsondiffpatch", MOST_SECONDS, "ours", note=other_note)
        size = f"beside the documents of {len(before) / 1e6:.0f} MB each"
        yield Row(f"{name}, memory", mb, "MB", bar=MOST_MB, note=size)


def _pairs() -> Iterator[tuple[str, bytes, bytes]]:
    chance = Random(DIGITS)
    values = bytearray(chance.choices(b"0123456789", k=DIGITS + 1))
    flipped = values[:]
    for place in chance.sample(range(10, DIGITS - 10), FLIPS):
        flipped[place] = ord("1") if flipped[place] == ord("0") else ord("0")
    yield f"{FLIPS} changed", _array(values[:-1]), _array(flipped[:-1])
    yield f"slid by 1 and {FLIPS} changed", _array(values[:-1]), _array(flipped[1:])


def _array(values: bytearray) -> bytes:
    text = bytearray(b",") * (2 * len(values) + 1)
    text[1::2] = values
    text[0], text[-1] = b"[]"
    return bytes(text)


def _ours(path: Path) -> tuple[float, float, int]:
    run = subprocess.run([sys.executable, "-c", OURS, path], cwd=ROOT, check=True, capture_output=True, text=True)
    seconds, mb, operations = run.stdout.split()
    return float(seconds), float(mb), int(operations)


def _peer(node: str, script: str, path: Path) -> tuple[float, str]:
    """Its seconds and operations; where it comes to no end, the seconds until that is known."""
    started = time.perf_counter()
    command: list[str | Path] = [node, f"--max-old-space-size={PEER_MB}", NODE / script, path]
    try:
        run = subprocess.run(command, capture_output=True, timeout=PEER_SECONDS)
    except subprocess.TimeoutExpired:
        return time.perf_counter() - started, f"the peer did not end within {PEER_SECONDS} s"
    if run.returncode:
        return time.perf_counter() - started, f"the peer ran out of {PEER_MB} MB"
    answer = msgspec.json.decode(run.stdout)
    return answer["seconds"][0], f"the peer {answer['operations']} operations"
