import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core import csv_text


def back(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode(), newline="")))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        ("", ""),
        ("plain", "plain"),
        ("a,b", '"a,b"'),
        ('say "x"', '"say ""x"""'),
        ("two\r\nlines", '"two\r\nlines"'),
        ("é 😀", "é 😀"),
        (5, "5"),
        (-5, "-5"),
        (-0.5, "-0.5"),
        (1e300, "1e+300"),
        (True, "true"),
        (False, "false"),
        (["a", "b"], '"[""a"",""b""]"'),
        ({"a": None}, '"{""a"":null}"'),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", '"\'\r=1"'),
        ("\n=1", '"\'\n=1"'),
        ('=cmd|"/c calc"!A1', '"\'=cmd|""/c calc""!A1"'),
        ("'=1", "'=1"),
        ("a=1", "a=1"),
    ],
)
def test_cells(value: Any, cell: str) -> None:
    assert csv_text.text([["first", value]]) == f"first,{cell}\r\n".encode()


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=4), max_size=5))
def test_what_is_written_is_read_again(rows: list[list[str]]) -> None:
    read = back(csv_text.text(rows))
    assert [[cell.removeprefix("'") for cell in row] for row in read] == [
        [cell.removeprefix("'") for cell in row] for row in rows
    ]
    for row in read:
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row)


def test_a_lone_surrogate_is_no_failure() -> None:
    assert csv_text.text([["\ud800", 1]]) == b"?,1\r\n"


@pytest.mark.parametrize("value", ["=1+1", "+49", "-12.5", "@x", "\tx", "\rx", "\nx", "plain", "'=1"])
def test_formulas_are_kept_where_that_is_asked_for(value: str) -> None:
    [[found]] = csv.reader(io.StringIO(csv_text.text([[value]], escape_formulas=False).decode(), newline=""))
    assert found == value
