"""A comparison takes at most 12 times the larger document in memory, whatever is in it: run by a process that has no
more, with its answer summed up and written in every format."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.often import FUZZ

BYTES = 4_000_000
TIMES = 12

CHILD = """
import resource, sys
from delta_server.core.diff import change_list, compare, json_patch
from delta_server.core.errors import Invalid
from delta_server.features.deltas.summaries import to_summary

def run(before, after):
    found = compare.diff(before, after)
    for write in (to_summary, json_patch.json_patch, change_list.encode, json_patch.merge_patch):
        try:
            write(found)
        except Invalid:  # what a merge patch cannot say
            pass
    return found

run(b'[{"id":1,"a":"one two"}]', b'[{"id":1,"a":"one three"}]')
documents = [open(path, "rb").read() for path in sys.argv[1:3]]
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[3]),) * 2)
print(run(*documents).kind)
"""

Make = Callable[[Random, int], bytes]


def _array(make: Make) -> Callable[[Random], bytes]:
    def made(chance: Random) -> bytes:
        elements: list[bytes] = []
        size = 0
        while size < BYTES:
            elements.append(make(chance, len(elements)))
            size += len(elements[-1]) + 1
        return b"[" + b",".join(elements) + b"]"

    return made


def _drawn(values: list[bytes]) -> Callable[[Random], bytes]:
    """An array of these, in a quarter of the time."""
    count = BYTES * len(values) // sum(len(value) + 1 for value in values)
    return lambda chance: b"[" + b",".join(chance.choices(values, k=count)) + b"]"


def _object(make: Make) -> Callable[[Random], bytes]:
    def made(chance: Random) -> bytes:
        return _array(lambda chance, i: b'"k%06d":%b' % (i, make(chance, i)))(chance).replace(b"[", b"{", 1)[:-1] + b"}"

    return made


def _mixed(chance: Random, i: int) -> bytes:
    return chance.choice([b"null", b'"a,b"', b"1.50", b'"x]"', b"{}", b"[1,2]", b"-0", b'"\\u00e9\\""', b"%d" % i])


SHAPES: list[tuple[str, Callable[[Random], bytes]]] = [
    ("digits", _drawn([b"%d" % n for n in range(10)])),
    ("whole numbers", _array(lambda chance, i: b"%d" % chance.randrange(10**7))),
    ("floats", _array(lambda chance, i: repr(chance.random()).encode())),
    ("short strings", _drawn([b'"%d"' % n for n in range(100)])),
    ("names", _array(lambda chance, i: b'"u%07d"' % chance.randrange(10**7))),
    ("mixed", _array(_mixed)),
    ("pairs", _drawn([b"[%d,%d]" % divmod(n, 10) for n in range(100)])),
    ("tiny objects", _drawn([b'{"a":%d}' % n for n in range(10)])),
    ("objects without a key", _array(lambda chance, i: b'{"v":%d,"w":%d}' % (chance.randrange(999), i % 7))),
    ("objects with a key", _array(lambda chance, i: b'{"id":"r%06d","v":%d}' % (i, chance.randrange(99)))),
    ("members", _object(lambda chance, i: b"%d" % chance.randrange(10))),
    ("members that are arrays", _object(lambda chance, i: b"[%d,1]" % chance.randrange(10))),
    ("a text", lambda chance: b'["%b"]' % b" ".join(chance.choices([b"w%d" % n for n in range(999)], k=BYTES // 5))),
    (
        "a text of escapes",
        lambda chance: b'["%b"]' % b"".join(chance.choices([rb"\u00e9", rb"\n", b"a"], k=BYTES // 4)),
    ),
]


@pytest.mark.parametrize("number", range(len(SHAPES)), ids=[name for name, _ in SHAPES])
def test_the_memory_of_a_comparison_is_bounded(tmp_path: Path, number: int) -> None:
    """Of another document or of the same with one more value, in turn: of both with DELTA_FUZZ."""
    _, make = SHAPES[number]
    before = make(Random(0))
    if FUZZ > 1 or number % 2 == 0:
        assert_bounded(tmp_path, before, make(Random(1)))
    if FUZZ > 1 or number % 2:
        more = b'{"more":1,' if before.startswith(b"{") else b"[1,"
        assert_bounded(tmp_path, before, more + before[1:])


def assert_bounded(directory: Path, before: bytes, after: bytes) -> None:
    paths = [directory / "before", directory / "after"]
    for path, document in zip(paths, (before, after), strict=True):
        path.write_bytes(document)
    most = TIMES * max(len(before), len(after))
    run = subprocess.run([sys.executable, "-c", CHILD, *paths, str(most)], capture_output=True, text=True)
    assert (run.stdout.strip(), run.stderr) == ("content", "")
