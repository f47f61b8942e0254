"""Rows of a level of a document, and what changed there: what decoding all of it says."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from delta_server.core.diff.diff_settings import DiffSettings
from delta_server.core.json import pieces
from delta_server.core.outline import rows
from delta_server.core.outline.rows import TreeLevel, TreeMarks

BY_ID = (("/items", ("id",)), ("/items/*/parts", ("n",)))


def level(
    document: Any, before: Any = None, path: str = "", start: int = 0, count: int = 1000, **settings: Any
) -> TreeLevel:
    old = None if before is None else json.dumps(before, ensure_ascii=False).encode()
    text = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    found = rows.level(text, old, path, DiffSettings(**settings), BY_ID, start, count)
    assert found is not None
    return found


def record(id: int, **more: Any) -> dict[str, Any]:
    return {"id": id, "name": f"Item number {id} of many", **more}


DOCUMENT = {
    "n": 1.50,
    "s": "text",
    "t": True,
    "z": None,
    "o": {"a": {}, "b": []},
    "items": [record(n) for n in range(3)],
}


def test_members() -> None:
    found = level(DOCUMENT)
    assert (found.path, found.kind, found.of, found.compared, found.removed) == ("", "object", 6, None, [])
    assert [(row.key, row.kind, row.members, row.text) for row in found.rows] == [
        ("n", "number", None, "1.5"), ("s", "string", None, '"text"'), ("t", "boolean", None, "true"),
        ("z", "null", None, "null"), ("o", "object", 2, None), ("items", "array", 3, None),
    ]  # fmt: skip
    assert {row.marks for row in found.rows} == {TreeMarks()}


def test_records_have_their_key_and_label() -> None:
    found = level(DOCUMENT, path="/items", start=1, count=1)
    [row] = found.rows
    assert (found.of, row.key, row.record, row.label) == (3, 1, "[id=1]", "Item number 1 of many")
    for path in ("/items/1", "/items/[id=1]", "/items/id=1"):
        assert level(DOCUMENT, path=path).path == "/items/[id=1]"


def test_a_key_that_two_have_names_neither() -> None:
    found = level({"items": [record(1), record(1), record(2)]}, path="/items")
    assert [row.record for row in found.rows] == [None, None, "[id=2]"]


@pytest.mark.parametrize(
    "path", ["/no", "/items/3", "/items/[id=9]", "/items/-", "/n/x", "/s/0", "/o/[a=1]", "/items/x"]
)
def test_nothing_is_there(path: str) -> None:
    assert rows.level(json.dumps(DOCUMENT).encode(), None, path, DiffSettings(), BY_ID, 0, 9) is None


@pytest.mark.parametrize("document", [b" 1.0 ", b'"x"', b"null", b"[]", b"{}"])
def test_without_rows(document: bytes) -> None:
    found = level(document)
    assert (found.of, found.rows) == (0, [])


def test_long_texts_are_cut_and_halves_of_pairs_shown() -> None:
    text = ('{"long":"' + "x" * 1000 + '","half":"\\ud83d"}').encode()
    long, half = level(text).rows
    assert (long.cut, long.size_bytes, len(long.text or "")) == (True, 1002, rows.TEXT_BYTES + 2)
    assert (half.cut, half.text) == (False, '"\\ud83d"')


def test_marks_of_members() -> None:
    before = {"same": 1, "other": 1, "kind": {"a": 1}, "in": {"a": [1]}, "gone": 5, "number": 1.0}
    after = {"number": 1, "same": 1, "other": 2, "kind": 7, "in": {"a": [2]}, "new": 0}
    found = level(after, before)
    marks = {row.key: row.marks for row in found.rows}
    assert marks == {
        "same": TreeMarks(), "number": TreeMarks(), "other": TreeMarks("replace", "1"), "kind": TreeMarks("replace"),
        "in": TreeMarks("inside"), "new": TreeMarks("add"),
    }  # fmt: skip
    assert (found.compared, [row.key for row in found.removed], found.removed_count) == ("name", ["gone"], 1)


def test_marks_of_records_wherever_they_stand() -> None:
    before = {"items": [record(1, n=1), record(2, n=2, parts=[{"n": 1, "x": 1}]), record(3)]}
    after = {"items": [record(9), record(2, n=3, parts=[{"n": 2}, {"n": 1, "x": 2}]), record(1, n=1), {"no": "id"}]}
    found = level(after, before, "/items", labels={"/items": "name"})
    assert [row.marks for row in found.rows] == [TreeMarks("add"), TreeMarks("inside"), TreeMarks(), TreeMarks()]
    assert (found.compared, found.removed_count) == ("key", 1)
    [gone] = found.removed
    assert (gone.key, gone.record, gone.label) == (2, "[id=3]", "Item number 3 of many")
    inner = level(after, before, "/items/1/parts")
    assert (inner.path, inner.rows[0].marks.op) == ("/items/[id=2]/parts", "add")
    assert level(after, before, "/items/1/parts/1").rows[1].marks == TreeMarks("replace", "1")
    assert level(after, before, "/items/0").compared is None


@pytest.mark.parametrize("items", [10, 20_000])
def test_only_whitespace_changed(items: int) -> None:
    document = {"items": list(range(items))}
    [row] = rows.level(
        json.dumps(document, indent=1).encode(), json.dumps(document).encode(), "", DiffSettings(), (), 0, 9
    ).rows  # type: ignore[union-attr]  # of an array, which has rows
    assert row.marks == TreeMarks()


def test_marks_by_index_where_there_are_as_many() -> None:
    assert [row.marks.old for row in level([1, 2, 3], [1, 5, 3]).rows][1] == "5"
    found = level([1, 2], [1, 2, 3])
    assert (found.compared, [row.marks for row in found.rows]) == (None, [TreeMarks(), TreeMarks()])


@pytest.mark.parametrize("seed", range(6))
def test_long_values_as_short_ones(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in pieces or at once: the same rows, whatever is in them."""
    chance = Random(seed)

    def value() -> Any:
        return chance.choice(
            ["a,b]", 'q"', 1.5, -0.0, None, True, [1, [2]], {"x": "}"}, {}, [], "é", 12345678901234567890]
        )

    def made() -> Any:
        ids = chance.sample(range(400), 200)
        return {
            "items": [
                record(n, v=value(), parts=[{"n": k, "v": value()} for k in range(chance.randrange(3))]) for n in ids
            ],
            "mixed": [value() for _ in range(300)],
            "numbers": [chance.randrange(10) for _ in range(500)],
            "map": {f"k{chance.randrange(10**6)}": value() for _ in range(200)},
        }

    before, after = made(), made()
    before["map"].update({name: after["map"][name] for name in list(after["map"])[:50]})
    asked = [
        (path, start)
        for path in ("", "/items", "/mixed", "/numbers", "/map", "/items/7", "/items/150/parts", "/mixed/299")
        for start in (0, 190)
    ]
    at_once = [level(after, before, path, start, 20) for path, start in asked]
    monkeypatch.setattr(pieces, "LARGE_BYTES", 64)
    monkeypatch.setattr(pieces, "CHUNK_BYTES", 256)
    assert [level(after, before, path, start, 20) for path, start in asked] == at_once
    for (path, start), found in zip(asked, at_once, strict=True):
        there = after
        for step in path.split("/")[1:]:
            there = there[int(step)] if isinstance(there, list) else there[step]
        items = (
            list(there.items() if isinstance(there, dict) else enumerate(there))
            if isinstance(there, dict | list)
            else []
        )
        assert found.of == len(items)
        assert [row.key for row in found.rows] == [key for key, _ in items[start : start + 20]]
        assert [row.members for row in found.rows] == [
            len(each) if isinstance(each, dict | list) else None for _, each in items[start : start + 20]
        ]


CHILD = """
import resource, sys
from delta_server.core.diff.diff_settings import DiffSettings
from delta_server.core.outline import rows, search

known = (("/items", ("id",)),)
def run(document, before):
    assert rows.level(document, before, "", DiffSettings(), known, 0, 9).rows[0].marks.op == "inside"
    found = rows.level(document, before, "/items", DiffSettings(), known, 100_000, 500)
    hits = search.find(document, "record number 99999 ", DiffSettings(), known, 0, 10)
    return found.of, found.rows[0].record, found.removed_count, found.rows[-1].marks.op, hits.of

document = open(sys.argv[1], "rb").read()
before = document.replace(b'"v":7}', b'"v":8}')
rows.level(b'{"items":[{"id":1}]}', None, "/items", DiffSettings(), known, 0, 9)
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 8 * len(document),) * 2)
print(*run(document, before))
"""


def test_a_large_document_takes_little_memory(tmp_path: Path) -> None:
    """Eight times its size beside the two versions: decoded each takes ten times."""
    count = 132_000
    items = b",".join(b'{"id":%d,"name":"Record number %d of all","v":%d}' % (n, n, n % 10) for n in range(count))
    path = tmp_path / "large.json"
    path.write_bytes(b'{"items":[%b]}' % items)
    done = subprocess.run([sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [str(count), "[id=100000]", "0", "UNSET", "1"]
