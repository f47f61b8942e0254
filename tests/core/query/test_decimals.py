from decimal import Decimal
from typing import Any

import pytest

from delta_server.core.query import decimals, result_rows


@pytest.mark.parametrize(
    ("function", "rough", "parts", "value"),
    [
        ("sum", None, {"n": 0, "h": None, "q": None}, None),
        ("sum", 1e20, None, 1e20),
        ("sum", 0.30000000000000004, {"n": 2, "h": None, "q": Decimal("0.3")}, 0.3),
        ("sum", 2.0**60, {"n": 2, "h": (1 << 60) + 1, "q": None}, (1 << 60) + 1),
        ("sum", 2.0**60, {"n": 2, "h": 1 << 60, "q": Decimal("0.250")}, Decimal("1152921504606846976.25")),
        ("avg", 0.0, {"n": 3, "h": 1, "q": None}, 1 / 3),
        ("avg", 0.0, {"n": 3, "h": 10**18, "q": None}, Decimal("333333333333333333.333333")),
        ("max", 2.0**53, {"n": 1, "h": (1 << 53) + 1, "q": None}, (1 << 53) + 1),
        ("max", 1e40, {"n": 1, "h": 5, "q": None}, 1e40),
        ("quantile", 2.0**53, {"n": 1, "h": None, "q": Decimal("9007199254740993.50")}, Decimal("9007199254740993.5")),
    ],
)
def test_the_exact_value_where_there_is_one(function: str, rough: float | None, parts: Any, value: Any) -> None:
    found = decimals.number(function, rough, parts)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12), ("12.0", 12), ("1.2e1", 12), ("-0", 0), ("1.5", 1.5), ("1147483648123456789", 1147483648123456789),
        ("1E+2", 100), ("1e37", 10**37), ("1e38", None), ("1e999", None), ("1e-999", 0.0), ("", None), (" 1", None),
        ("1_0", None), ("01", None), (".5", None), ("5.", None), ("+1", None), ("0x1", None), ("nan", None),
        ("9" * 41, None), ("١", None),
    ],
)  # fmt: skip
def test_numbers_are_read_by_the_grammar_of_json(text: str, number: float | None) -> None:
    assert decimals.read(text) == number


def test_all_digits_are_written() -> None:
    rows = [{"a": result_rows._plain(1 << 70), "b": Decimal("1152921504606846976.25"), "c": 1.5, "d": (1 << 63) + 1}]
    assert result_rows.encoder.encode(rows) == (
        b'[{"a":1180591620717411303424,"b":1152921504606846976.25,"c":1.5,"d":9223372036854775809}]'
    )
