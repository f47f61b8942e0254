"""A delivery comes in pieces of any size, and what is not whole is refused."""

import gzip
import json
import tracemalloc
from collections.abc import Callable
from hashlib import sha256

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.datasets.intake import Done, Intake
from delta_server.core.datasets.manifest import Format
from delta_server.core.errors import BadRequest, DeltaError, Invalid, TooLarge

ROWS = b'{"id":1}\n{"id":2}\n'
ENCODED: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def taken(body: bytes, size: int = 7, form: Format = "ndjson", encoding: str | None = None, **more: bool) -> bytes:
    return stored(body, size, form, encoding, **more)[0]


def stored(
    body: bytes, size: int = 7, form: Format = "ndjson", encoding: str | None = None, *, has_trailer: bool = False
) -> tuple[bytes, Done]:
    intake = Intake(form, encoding, most_bytes=1000, row_bytes=100, has_trailer=has_trailer)
    pieces = [part for start in range(0, len(body), size) for part in intake.feed(body[start : start + size])]
    last, done = intake.end()
    content = b"".join([*pieces, last])
    return content if form == "parquet" else zstandard.decompress(content, 2000), done


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (b'{"id":1}\n{"id":', Invalid, r"line 2\b"),
        (b"1\n\n2\nx\n3\n", Invalid, r"line 4\b.* not valid JSON"),
        (b"1 2\n3\n", Invalid, r"line 1\b"),
        (b"1\n[2,\n3]\n4 5\n", Invalid, r"line 2\b"),
        (b'[\n {"id":1},\n {"id":2}\n]\n', Invalid, r"line 1\b.*; if this is an array of rows, give the elements"),
        (b'\n[{"id":1}, {"id":2}]', Invalid, "the delivery is one row, an array of objects: give the elements"),
        (b"1,2\n", Invalid, r"line 1\b"),
        (b"1,2\n[3\n4]\n", Invalid, r"line 1\b"),
        (b"1\n,\n2\n", Invalid, r"line 2\b"),
        (b'"\xff"\n', Invalid, r"line 1\b.* UTF-8"),
        (b"\xef\xbb\xbf1\n", Invalid, r"line 1\b"),
        (b'1\n"' + b"x" * 99 + b'"\n2\n', TooLarge, "line 2 is larger .* datasets.row_bytes"),
        (b'1\n\n\n"' + b"x" * 120, TooLarge, "datasets.row_bytes"),
        (b"1\n" * 501, TooLarge, "datasets.delivery_bytes"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 2000])
def test_refused(body: bytes, error: type[DeltaError], says: str, size: int) -> None:
    with pytest.raises(error, match=says):
        taken(body, size)


def test_rows_that_are_nested_too_deeply_are_refused() -> None:
    intake = Intake("ndjson", None, most_bytes=1 << 20, row_bytes=1 << 20)
    with pytest.raises(Invalid, match=r"line 2: it is nested too deep"):
        list(intake.feed(b"1\n" + b"[" * 100_000 + b"]" * 100_000 + b"\n"))


@pytest.mark.parametrize("encoding", [None, "gzip", "zstd"])
def test_short_rows_take_little_memory(encoding: str | None) -> None:
    """A few bytes of zstd can be 16 MiB."""
    body = ENCODED[encoding](b"0\n" * (1 << 20))
    intake = Intake("ndjson", encoding, most_bytes=1 << 30, row_bytes=1 << 20)
    tracemalloc.start()
    try:
        for _ in intake.feed(body):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert intake.end()[1].rows == 1 << 20
    assert peak < 12 << 20


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("cut", [1, 5, 12])
def test_what_was_cut_short_is_refused(encoding: str, cut: int) -> None:
    with pytest.raises(BadRequest, match="ends too early"):
        taken(ENCODED[encoding](ROWS)[:-cut], encoding=encoding)
    with pytest.raises(BadRequest, match="not valid"):
        taken(b"\0" * 40, encoding=encoding)
    with pytest.raises(TooLarge, match=r"datasets\.delivery_bytes"):
        taken(ENCODED[encoding](b"1\n" * 501), encoding=encoding)


@pytest.mark.parametrize("encoding", [None, "gzip", "zstd"])
@pytest.mark.parametrize("size", [1, 7, 2000])
def test_rows_are_kept_as_they_came(encoding: str | None, size: int) -> None:
    content, done = stored(ENCODED[encoding](ROWS * 2), size, encoding=encoding)
    assert (content, done) == (ROWS * 2, Done(4, 36, sha256(ROWS * 2).hexdigest()))
    twice = ENCODED[encoding](ROWS) * 2
    assert taken(twice, size, encoding=encoding) == ROWS * 2, "frames and members may follow each other"


@pytest.mark.parametrize(
    ("body", "kept", "rows"),
    [
        (b"", b"", 0),
        (b"\n \r\n", b"\n \r\n", 0),
        (b"1", b"1\n", 1),
        (b'1\r\n\r\n{"a":[1, 2]}\t\n  ', b'1\r\n\r\n{"a":[1, 2]}\t\n', 2),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 2000])
def test_blank_lines_and_a_last_one_without_end(body: bytes, kept: bytes, rows: int, size: int) -> None:
    content, done = stored(body, size)
    assert (content, done.rows) == (kept, rows)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no trailer"),
        (ROWS, "no trailer"),
        (ROWS + b'{"rows":2}', "cut short"),
        (ROWS + b'{"rows":3}\n', "2 rows came"),
        (ROWS + b'{"rows":2,"sha256":"00"}\n', "2 rows came"),
        (ROWS + b'{"rows":2}\n1\n', "no trailer"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 2000])
def test_a_trailer_that_does_not_fit(body: bytes, says: str, size: int) -> None:
    with pytest.raises(BadRequest, match=says):
        taken(body, size, has_trailer=True)


@given(st.lists(st.sampled_from(["1", "[1, 2]", '{"rows": 1}', '"é"', "", " "]), max_size=9), st.integers(1, 30))
def test_a_trailer_is_no_row(lines: list[str], size: int) -> None:
    body = "".join(f"{line}\n" for line in lines).encode()
    rows = sum(bool(line.strip()) for line in lines)
    trailer = {"rows": rows, "sha256": sha256(body).hexdigest().upper()}
    content, done = stored(body + json.dumps(trailer).encode() + b"\n\n", size, has_trailer=True)
    assert (content, done) == (body, Done(rows, len(body), sha256(body).hexdigest()))


def test_other_formats_are_kept_as_they_are() -> None:
    assert taken(b"a,b\r\n1,2", form="csv") == b"a,b\r\n1,2"
    assert taken(b"PAR1xyz!PAR1", form="parquet") == b"PAR1xyz!PAR1"
    for cut in (b"", b"PAR1xyz", b"xPAR1", b"PAR", b"PAR1", b"PAR1xyzPAR1"):
        with pytest.raises(BadRequest, match="no Parquet"):
            taken(cut, form="parquet")
