"""Rows of files: packed or not, NDJSON, CSV and Parquet, and what is wrong with them."""

import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard

from delta_server import rowdelta
from delta_server.core.errors import DeltaError, Invalid
from delta_server.core.rowdelta import csv_rows
from delta_server.storage.rowdelta import parquet_file
from delta_server.storage.rowdelta.spill_file import SpillFile

Convert = Callable[[Iterable[bytes], str], Iterator[bytes]]
ROWS = [{"id": i, "name": f"é {i}", "note": "x" * 50} for i in range(3000)]
NDJSON = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
HALF = len(NDJSON) // 2


def read(path: Path, **options: Any) -> list[Any]:
    with rowdelta.FileSource(path, **options) as source:
        return [json.loads(line) for line in b"".join(source.open()).splitlines()]


PACKED = [
    ("plain", NDJSON),
    ("gzip", gzip.compress(NDJSON)),
    ("two members", gzip.compress(NDJSON[:HALF]) + gzip.compress(NDJSON[HALF:])),
    ("zstd", zstandard.compress(NDJSON)),
    ("two frames", zstandard.compress(NDJSON[:HALF]) + zstandard.compress(NDJSON[HALF:])),
]


@pytest.mark.parametrize("packed", [row[1] for row in PACKED], ids=[row[0] for row in PACKED])
def test_packed_rows(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "rows"
    path.write_bytes(packed)
    assert read(path) == ROWS
    with rowdelta.FileSource(path) as before, rowdelta.FileSource(path) as after:
        assert (before.read_at is None) == (packed != NDJSON)
        with rowdelta.compare(before, after, rowdelta.Options(spill_directory=tmp_path)) as delta:
            assert delta.summary.unchanged == len(ROWS)
            assert before.passed == before.size_bytes == len(packed)


WIDE = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=24))
WRONG = [
    ("gzip cut short", "a", gzip.compress(NDJSON)[:-9], "a is gzip that ends too early"),
    ("zstd cut short", "a", zstandard.compress(NDJSON)[:-9], "a is zstd that ends too early"),
    ("gzip that is damaged", "a", gzip.compress(NDJSON)[:20] + b"\0" * 99, "a is not valid gzip"),
    ("too large a window", "a", WIDE.compress(os.urandom(9 << 20)), "a is not valid zstd with a window of at most"),
    ("a column twice", "a.csv", b"x,y,x\n1,2,3\n", 'a.csv: two columns are named "x"'),
    ("semicolons", "a.csv", b"x;y\n1;2\n", "a.csv: its first line has semicolons where commas are expected: save it"),
    ("quoted names between tabs", "a.csv", b'"x,1"\t"y"\n1\t2\n', "a.csv: its first line has tabs where commas"),
    ("a cell too few", "a.csv", b"x,y\n1,2\n3\n", "a.csv, line 3: the row has 1 cells, not 2"),
    ("a cell too many", "a.csv", b"x\n1\n2\n1,2\n3\n", "a.csv, line 4: the row has 2 cells, not 1"),
    ("a cell too many, then one too few", "a.csv", b"x,y\n1,2,3\n4\n", "a.csv, line 2: the row has 3 cells, not 2"),
    ("a cell too few, then one too many", "a.csv", b"x,y\n1\n2,3,4\n", "a.csv, line 2: the row has 1 cells, not 2"),
    ("a row of two in a line", "a.csv", b"x,y\n1,2,3,4\n", "a.csv, line 2: the row has 4 cells, not 2"),
    ("a cell too few, later", "a.csv", b"x,y" + b"\n1,2" * 70_000 + b"\n3\n", "a.csv, line 70002: the row has 1 cells"),
    ("a cell too few, quoted", "a.csv", b'x,"y"\n1,"2\n"\n\n"3"\n4,5\n', "a.csv, line 5: the row has 1 cells, not 2"),
    ("a quote later", "a.csv", b"x\n1\n2" + b"\n3" * 70_000 + b'\n"', "a.csv, line 70004: it is not valid CSV"),
    ("an open quote", "a.csv", b'x,y\n1,"2\n', "a.csv, line 2: it is not valid CSV"),
    ("CSV that is not UTF-8", "a.csv", b"x\n\xff\n", "a.csv: it is not in UTF-8"),
    ("a blank line in front of the names", "a.csv", b" \r\nx,y\n1,2\n", "a.csv: the first line is blank"),
    ("lines that end with CR alone", "a.csv", b"x,y\r1,2\r", "a.csv: its lines end with CR alone: save it with LF"),
    ("no Parquet", "a", b"PAR1 but no more", "a cannot be read as Parquet"),
]


@pytest.mark.parametrize(("name", "content", "message"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_refusals(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Invalid) as refused:
        read(path)
    assert message in refused.value.message


CSV = [
    ("texts", b"a,b\n1,x\n2.0,\n", [{"a": "1", "b": "x"}, {"a": "2.0", "b": ""}]),
    ("ends of Windows, a mark, no end", b"\xef\xbb\xbfa,b\r\n1,2", [{"a": "1", "b": "2"}]),
    ("quotes", b'a\n"1, ""2""\n3"\n', [{"a": '1, "2"\n3'}]),
    ("blank lines", b"a,b\n\n1,2\n\n", [{"a": "1", "b": "2"}]),
    ("blank lines alone", b"a,b\n\n\n", []),
    (
        "a blank line among many",
        b"a,b" + b"\n1,2" * 50_000 + b"\n\n3,4",
        [{"a": "1", "b": "2"}] * 50_000 + [{"a": "3", "b": "4"}],
    ),
    ("a blank line of one column", b"a\n1\n\n2\n", [{"a": "1"}, {"a": "2"}]),
    ("empty cells", b"a,b\n,\n,2\n", [{"a": "", "b": ""}, {"a": "", "b": "2"}]),
    ("letters of other scripts", "a,ü\né,2\n".encode(), [{"a": "é", "ü": "2"}]),
    ("ends of both kinds", b"a,b\n1,2\r\n3,4\n", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
    ("names that JSON escapes", b'%s,"a""\\"\n%d,{}\n', [{"%s": "%d", 'a"\\': "{}"}]),
    ("texts that JSON escapes", b"%s,b\n\\,\t\n", [{"%s": "\\", "b": "\t"}]),
    (
        "quotes later",
        b"a,b" + b"\n1,2" * 50_000 + b'\n"3\n",4',
        [{"a": "1", "b": "2"}] * 50_000 + [{"a": "3\n", "b": "4"}],
    ),
    ("separators of other kinds", "a\n1\u2028\x0b2\n".encode(), [{"a": "1\u2028\x0b2"}]),
    ("names alone", b"a,b\n", []),
    ("a long cell", b"a\n" + b"x" * 200_000, [{"a": "x" * 200_000}]),
    ("a long cell in quotes", b'a\n"' + b"x" * 200_000 + b'"\n', [{"a": "x" * 200_000}]),
    ("nothing", b"", []),
    ("blank lines and nothing else", b"\n" * 100_000 + b" \r\n", []),
]


@pytest.mark.parametrize(("content", "rows"), [row[1:] for row in CSV], ids=[row[0] for row in CSV])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_csv(tmp_path: Path, content: bytes, rows: list[Any], pack: Any) -> None:
    path = tmp_path / ("a.csv.gz" if pack is gzip.compress else "a.CSV")
    path.write_bytes(pack(content))
    assert read(path) == rows


def test_rows_that_take_long_to_read_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = tmp_path / "a.csv", tmp_path / "b.csv"
    before.write_text("id,v\n" + "".join(f"{i},{i}\n" for i in range(4000)))
    after.write_text("v,id\n" + "".join(f"{i // 100 * 100},{i}\n" for i in range(3999)))
    converted = []

    def counted(pieces: Iterable[bytes], what: str, really: Convert = csv_rows.ndjson) -> Iterator[bytes]:
        converted.append(what)
        return really(pieces, what)

    monkeypatch.setattr(csv_rows, "ndjson", counted)
    options = rowdelta.Options(spill_directory=tmp_path, key_fields=("id",), memory_bytes=1 << 20)
    with (
        rowdelta.FileSource(before) as old,
        rowdelta.FileSource(after) as new,
        rowdelta.compare(old, new, options) as delta,
    ):
        found = [json.loads(line) for line in delta.ops()]
    assert converted == ["a.csv", "b.csv"]
    assert (delta.summary.removed, delta.summary.changed, delta.summary.unchanged) == (1, 3959, 40)
    assert found[0] == {"op": "remove", "key": {"id": "3999"}, "before": {"id": "3999", "v": "3999"}}
    assert found[1]["after"] == {"v": "0", "id": "1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_parquet_values(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    duckdb.execute(
        "COPY (SELECT 1::TINYINT AS small, 170141183460469231731687303715884105727::HUGEINT AS huge,"
        " 12345678901234567890.12::DECIMAL(38,2) AS exact, 'nan'::DOUBLE AS no, 1.5::DOUBLE AS half, NULL::INT AS gone,"
        " TIMESTAMP '2026-01-02 03:04:05' AS at, DATE '2026-01-02' AS day, [1, 2] AS list, {'a': 'é'} AS inner,"
        f" '\\xff'::BLOB AS bytes) TO '{path}' (FORMAT parquet)"
    )
    (line,) = b"".join(rowdelta.FileSource(path).open()).splitlines()
    assert b'"exact":12345678901234567890.12' in line
    found = json.loads(line)
    assert found.pop("huge") == pytest.approx(2**127)
    found.pop("exact")
    assert found == {
        "small": 1, "no": "nan", "half": 1.5, "gone": None, "at": "2026-01-02T03:04:05", "day": "2026-01-02",
        "list": [1, 2], "inner": {"a": "é"}, "bytes": "/w==",
    }  # fmt: skip


NAMES = ["x[1].parquet", "y*.parquet", "z?.parquet", "it's {a,b}.parquet", "back\\slash.parquet", "date=2026-01-01/a"]


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_parquet_file_is_no_pattern(tmp_path: Path, name: str) -> None:
    for other in ("x1.parquet", "y2.parquet", "z3.parquet", name):
        (tmp_path / other).parent.mkdir(exist_ok=True)
        duckdb.execute(f"COPY (SELECT {int(other == name)} AS mine) TO '{tmp_path}/t' (FORMAT parquet)")
        (tmp_path / "t").rename(tmp_path / other)
    assert read(tmp_path / name) == [{"mine": 1}]


DIFFERENT = [
    ("TIMESTAMP_NS '2026-01-01 00:00:00.000000001'", "TIMESTAMP_NS '2026-01-01 00:00:00.000000002'"),
    ("[TIMESTAMP_NS '2026-01-01 00:00:00.000000001']", "[TIMESTAMP_NS '2026-01-01 00:00:00.000000002']"),
    ("'infinity'::TIMESTAMP", "TIMESTAMP '9999-12-31 23:59:59.999999'"),
    ("'infinity'::DATE", "DATE '9999-12-31'"),
    ("TIMESTAMPTZ '2026-01-01 00:00:00+00'", "TIMESTAMPTZ '2026-01-01 00:00:00+01'"),
    ("INTERVAL 1 MONTH", "INTERVAL 30 DAYS"),
    ("'nan'::DOUBLE", "NULL::DOUBLE"),
    ("'inf'::DOUBLE", "'-inf'::DOUBLE"),
    ("[{'a': 'nan'::FLOAT}]", "[{'a': 'inf'::FLOAT}]"),
    ("MAP {'a': 'nan'::DOUBLE}", "MAP {'a': NULL::DOUBLE}"),
    ("MAP {1.5::DOUBLE: 1}", "MAP {2.5::DOUBLE: 1}"),
]


@pytest.mark.parametrize(("old", "new"), DIFFERENT)
def test_values_of_parquet_that_differ_stay_different(tmp_path: Path, old: str, new: str) -> None:
    found = []
    for value in (old, new, "NULL"):
        duckdb.execute(f'COPY (SELECT {value} AS "a""b") TO \'{tmp_path}/t\' (FORMAT parquet)')
        found += read(tmp_path / "t")
    assert list(map(list, found)) == [['a"b']] * 3
    assert found[0] != found[1]
    assert (found[2] in found[:2]) == ("NULL" in new.split("::"))


def test_times_with_a_zone_are_those_of_utc(tmp_path: Path) -> None:
    duckdb.execute(f"COPY (SELECT TIMESTAMPTZ '2026-01-02 03:04:05+02' AS at) TO '{tmp_path}/t' (FORMAT parquet)")
    assert read(tmp_path / "t") == [{"at": "2026-01-02T01:04:05+00"}]


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    kept = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        for path in (tmp_path, tmp_path / "pipe"):
            with pytest.raises(Invalid, match="no file that can be read twice"):
                rowdelta.FileSource(path)
    finally:
        os.close(kept)


def test_what_is_wrong_with_a_parquet_file_names_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x[1]").write_bytes(b"PAR1xxxxPAR1")
    for name, says in {"": "x[1] cannot be read", "the delivery": "the delivery cannot be read"}.items():
        with pytest.raises(Invalid, match="cannot be read as Parquet") as refused:
            list(rowdelta.FileSource(tmp_path / "x[1]", name=name).open())
        assert refused.value.message.startswith(says)
        assert str(tmp_path) not in refused.value.message


def test_operations_as_tables(tmp_path: Path) -> None:
    """The same rows as NDJSON, as CSV and as Parquet; a field of the key may be named as a column is."""
    before, after, out = tmp_path / "before", tmp_path / "after", tmp_path / "it's.parquet"
    before.write_bytes(b'{"op":1,"id":"=a"}\n{"op":2,"id":"b"}\n')
    after.write_bytes(b'{"op":2,"id":"b","v":1}\n{"op":3,"id":"c"}\n')
    options = rowdelta.Options(spill_directory=tmp_path, key_fields=("op", "id"))
    with (
        rowdelta.FileSource(before) as old,
        rowdelta.FileSource(after) as new,
        rowdelta.compare(old, new, options) as delta,
    ):
        assert b"".join(delta.csv()).decode().splitlines() == [
            "op,key.op,id,before,after",
            'remove,1,\'=a,"{""op"":1,""id"":""=a""}",',
            'change,2,b,"{""op"":2,""id"":""b""}","{""op"":2,""id"":""b"",""v"":1}"',
            'add,3,c,,"{""op"":3,""id"":""c""}"',
        ]
        delta.write_parquet(out)
        with pytest.raises(DeltaError, match="cannot be written"):
            delta.write_parquet(tmp_path / "nowhere" / "x.parquet")
    rows = duckdb.execute("FROM read_parquet(?)", [str(out)])
    assert [column[0] for column in rows.description] == ["op", "key.op", "id", "before", "after"]
    assert rows.fetchall()[:2] == [
        ("remove", "1", "=a", '{"op":1,"id":"=a"}', None),
        ("change", "2", "b", '{"op":2,"id":"b"}', '{"op":2,"id":"b","v":1}'),
    ]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_spill_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with SpillFile(tmp_path / "nowhere") as spill, pytest.raises(DeltaError, match="rows cannot be kept in"):
        spill.write(bytes(1 << 20))
    with SpillFile(tmp_path / "nowhere") as spill, pytest.raises(DeltaError, match="rows cannot be kept in"):
        spill.write_all([b"a"])


def test_spilled_bytes_come_back(tmp_path: Path) -> None:
    with SpillFile(tmp_path) as spill:
        written = [(spill.write(piece), piece) for piece in (b"a", bytes(300_000), b"bc", zlib.compress(NDJSON))]
        assert [spill.read(offset, len(piece)) == piece for offset, piece in written] == [True] * 4
        assert list(tmp_path.iterdir()) == [], "it has no name"


@pytest.mark.parametrize("way", ["at once", "cut short", "one by one"])
def test_spilled_pieces_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    really = getattr(os, "pwritev", None)
    if way == "one by one":
        monkeypatch.delattr(os, "pwritev", raising=False)
    elif really is None:
        pytest.skip("other systems have it not")
    elif way == "cut short":
        monkeypatch.setattr(os, "pwritev", lambda file, pieces, offset: really(file, [pieces[0][:7]], offset))
    pieces = [b"%d " % i * (i % 5) for i in range(1, 3000)]
    with SpillFile(tmp_path) as spill:
        spill.write(b"before")
        offset = spill.write_all(pieces)
        behind = spill.write(b"behind")
        assert spill.read(0, offset) == b"before"
        assert spill.read(offset, behind - offset) == b"".join(pieces)
        assert spill.read(behind, 6) == b"behind"
        assert spill.write_all([]) == behind + 6


def test_parquet_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    duckdb.execute(f"COPY (SELECT i AS id FROM range(5000) r(i)) TO '{path}' (FORMAT parquet)")
    pieces = list(parquet_file.read(path))
    assert len(pieces) == 3
    assert json.loads(pieces[2].splitlines()[-1]) == {"id": 4999}
