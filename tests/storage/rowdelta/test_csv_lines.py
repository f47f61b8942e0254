"""CSV compared by its lines has the same delta, and the same refusals, as CSV compared as JSON."""

import gzip
import random
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_128_hexdigest

from delta_server import rowdelta
from delta_server.core.errors import Conflict, DeltaError
from delta_server.core.rowdelta import blocks, csv_lines, operations
from delta_server.core.rowdelta.comparing import Comparison
from delta_server.core.rowdelta.csv_lines import LineMaker, NotPlain, Table
from delta_server.core.rowdelta.ports import Side
from delta_server.core.rowdelta.settings import Settings
from delta_server.storage import process_copy
from delta_server.storage.rowdelta.assistant import ProcessAssistant
from delta_server.storage.rowdelta.sources import CsvText
from delta_server.storage.rowdelta.spill_file import SpillFile
from tests.often import FUZZ

Found = tuple[Any, ...]


def found(before: bytes, after: bytes, directory: Path, *, packed: bool = False, **options: Any) -> Found:
    """The summary and the operations, or what is wrong."""
    paths = [directory / f"{name}.csv" for name in ("before", "after")]
    chosen = rowdelta.Options(spill_directory=directory, **options)
    for path, text in zip(paths, (before, after), strict=True):
        path.write_bytes(gzip.compress(text, 1) if packed else text)
    try:
        with ExitStack() as opened:
            old, new = [opened.enter_context(rowdelta.FileSource(path)) for path in paths]
            delta = opened.enter_context(rowdelta.compare(old, new, chosen))
            return delta.summary, list(delta.ops())
    except DeltaError as error:
        return type(error), error.message


class Ways:
    """The same both ways, and how many were compared by lines."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by_lines, self.as_json = 0, False

        def table(*given_: Any, really: Callable[..., Table | None] = csv_lines.table) -> Table | None:
            return None if self.as_json else really(*given_)

        def compared(compares: Comparison, by: Table | None, really: Any = Comparison._compared_by) -> Any:
            done = really(compares, by)
            self.by_lines += by is not None
            return done

        monkeypatch.setattr(csv_lines, "table", table)
        monkeypatch.setattr(Comparison, "_compared_by", compared)

    def found(self, *texts: Any, **options: Any) -> Found:
        self.as_json = True
        expected = found(*texts, **options)
        self.as_json = False
        assert found(*texts, **options) == expected
        return expected


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    return Ways(monkeypatch)


cells = st.sampled_from(["1", "2", "2.0", "", "é", "x y", "\\", "\t", "\x00", "null", "10", "11", "12"])
odd = st.sampled_from(['"1"', '"a,b"', '"', "\r", "1,2", "\n", "\udcff", '"a\n"'])
rows_ = st.lists(st.tuples(cells, cells, cells), max_size=12)
KEYS = [("id",), ("v",), ("v", "id"), (), ("no",), ("id/v",)]
ends = st.sampled_from(["\n", "\n", "\r\n"])


@st.composite
def texts(draw: Any) -> tuple[bytes, bytes]:
    """Of two sides that have much in common; seldom something is odd."""
    rows = draw(rows_)
    columns = draw(st.sampled_from([3, 3, 3, 2, 1]))
    sides = []
    for _ in range(2):
        end = draw(ends)
        kept = [row for row in rows if draw(st.integers(0, 5))]
        kept += draw(st.lists(st.tuples(cells, cells, cells), max_size=2))
        lines = [",".join(row[:columns]) for row in draw(st.permutations(kept))]
        if draw(st.integers(0, 9)) == 0:
            lines.insert(draw(st.integers(0, len(lines))), draw(odd))
        head = ",".join(["id", "v", "w"][:columns])
        if draw(st.integers(0, 14)) == 0:
            head = draw(st.sampled_from(["v,id,w", '"id",v,w', "id,id,v", "id;v;w", "", "id,v,w,x", "ïd,v"]))
        text = end.join([head, *lines]) + draw(st.sampled_from([end, end, "", "\n", "\n\n"]))
        mark = draw(st.sampled_from([b"", b"", BOM_UTF8]))
        sides.append(mark + text.encode(errors="surrogateescape"))
    return sides[0], sides[1]


@settings(max_examples=60 * FUZZ, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts(), st.sampled_from([("id",), ("v",), ("v", "id"), (), ("no",), ("id/v",)]), st.booleans(), st.integers(0, 1)
)
def test_both_ways_find_the_same(
    tmp_path: Path, ways: Ways, sides: tuple[bytes, bytes], key: tuple[str, ...], packed: bool, tiny: int
) -> None:
    options: dict[str, Any] = {"memory_bytes": 4 << 10} if tiny else {}
    expected = ways.found(*sides, directory=tmp_path, packed=packed, key_fields=key, **options)
    if (
        isinstance(expected[0], rowdelta.Summary)
        and b'"' not in b"".join(sides)
        and sides[0].strip(b"\xef\xbb\xbf\r\n")
    ):
        assert expected[0].digest_before == xxh3_128_hexdigest(sides[0])


def large(count: int, *, seed: int = 1, end: bytes = b"\n") -> bytes:
    chance = random.Random(seed)
    order = list(range(count))
    chance.shuffle(order)
    changed = count // 20 * (seed - 1)
    lines = [b"%d,name %d,%d" % (i, i, i % 7 if i >= changed else 9) for i in order if i != seed]
    return end.join([b"id,name,v", *lines]) + end


LARGE = [
    ("plain", large(5000), large(5000, seed=2), True),
    ("ends of Windows on one side", large(5000), large(5000, seed=2, end=b"\r\n"), True),
    ("the same", large(5000), large(5000), True),
    ("a quote late", large(5000), large(5000, seed=2) + b'"7","x",1\n', False),
    ("a cell too many late", large(5000), large(5000, seed=2) + b"7,x,1,2\n", False),
    ("a blank line late", large(5000) + b"\n", large(5000, seed=2), False),
    ("a return within a line", large(5000), large(5000, seed=2) + b"7,x\r,1\n", False),
    ("no UTF-8", large(5000), large(5000, seed=2) + b"7,\xff,1\n", False),
    ("a head without rows", large(5000), b"id,name,v", True),
    ("another order of columns", large(5000), large(5000).replace(b"id,name", b"name,id"), False),
]


@pytest.mark.parametrize(("before", "after", "plain"), [row[1:] for row in LARGE], ids=[row[0] for row in LARGE])
def test_large_ones(tmp_path: Path, ways: Ways, before: bytes, after: bytes, plain: bool) -> None:
    ways.found(before, after, directory=tmp_path, key_fields=("id",), memory_bytes=64 << 10)
    assert bool(ways.by_lines) == plain
    ways.found(before, after, directory=tmp_path, packed=True)


OPTIONS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"ignore": ("/v",)}, False),
    ({"tolerance": 1.0}, False),
    ({"trusted_hash": "v"}, False),
    ({"max_row_bytes": 100}, False),
    ({"max_row_bytes": 40}, False),
    ({"max_row_bytes": 1000}, True),
]


@pytest.mark.parametrize(("options", "plain"), OPTIONS)
def test_settings_that_need_values_are_compared_as_json(
    tmp_path: Path, ways: Ways, options: dict[str, Any], plain: bool
) -> None:
    ways.found(large(300), large(300, seed=2), directory=tmp_path, key_fields=("id",), **options)
    assert bool(ways.by_lines) == plain


def test_a_side_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    before.write_bytes(large(300))
    after.write_bytes(large(300, seed=2))

    def change(_: int, __: int, phase: str) -> None:
        if phase == "join":
            after.write_bytes(large(300, seed=3))

    options = rowdelta.Options(spill_directory=tmp_path, key_fields=("id",))
    with rowdelta.FileSource(before) as old, rowdelta.FileSource(after) as new, pytest.raises(Conflict):
        rowdelta.compare(old, new, options, change)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["after.csv", "before.csv"]


def test_the_second_process_reads_lines_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(operations, "_BATCH", 50)
    monkeypatch.setattr(process_copy, "is_safe", lambda: False)
    taken: list[bytes] = []
    pairs_given: list[bool] = []
    tables: list[Table | None] = []

    class Watched(ProcessAssistant):
        def take(self) -> bytes:
            taken.append(super().take())
            return taken[-1]

        def give_pairs(self, given_pairs: bytes, *, with_lines: bool) -> None:
            super().give_pairs(given_pairs, with_lines=with_lines)
            pairs_given.append(self.reads("before"))

    def begin(fields: tuple[str, ...], chosen: Settings, table: Table | None) -> ProcessAssistant:
        tables.append(table)
        assert old.text is not None
        assert new.text is not None
        assert old.text.file is not None
        assert new.text.file is not None
        files: dict[Side, int] = {"before": old.text.file, "after": new.text.file} if table else {}
        return Watched(fields, chosen, table, files=files, spill=spill.file, after=2, wait_s=60)

    for quoted, name in ((b"", "plain"), (b'"7","x",1\n', "quoted")):
        paths = tmp_path / f"{name}1.csv", tmp_path / f"{name}2.csv"
        paths[0].write_bytes(large(3000))
        paths[1].write_bytes(large(3000, seed=2) + quoted)
        with rowdelta.FileSource(paths[0]) as old, rowdelta.FileSource(paths[1]) as new, SpillFile(tmp_path) as spill:
            assert old.text is not None
            assert new.text is not None
            alone = _both(old, new, old.text, new.text, spill, None)
            taken.clear()
            assert _both(old, new, old.text, new.text, spill, begin) == alone
        assert len(taken) > 3
        assert all(taken) or quoted
    assert pairs_given
    assert [table is None for table in tables] == [False, False, True]


def _both(*given_: Any) -> Found:
    old, new, old_text, new_text, spill, begin = given_
    texts_: Any = {"before": old_text, "after": new_text}
    done = Comparison(
        old, new, Settings(key_fields=("id",)), spill=spill, progress=lambda *_: None, assistant=begin, texts=texts_
    )
    return done.summary, list(done.operations())


def test_a_source_that_breaks_off_has_no_table() -> None:
    def broken() -> Iterator[bytes]:
        yield b"id,"
        raise OSError

    text = CsvText(lambda: iter([b"id,v\n1,2\n"]))
    sides: dict[Any, CsvText] = {"before": text, "after": CsvText(broken)}
    assert csv_lines.table(sides, ("id",), Settings()) is None
    sides["after"] = CsvText(lambda: iter([b"i", b"d,v"]))
    made = csv_lines.table(sides, ("id",), Settings())
    assert made == Table(("id", "v"), {"before": 5, "after": 4}, (0,))
    with pytest.raises(NotPlain):
        LineMaker(made, ("id",), Settings()).make(b'"1",2\n', 5, what="", line=1)
