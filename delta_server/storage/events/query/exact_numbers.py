"""Numbers inside JSON as SQL, exactly: DuckDB reads them as DOUBLE, which takes neighbours past 2^53 for the same.

`raw` is JSON's text of a value, a text in its quotes. What counts as a number is a JSON number, and a text that is
written like one (RFC 8259, 6): not `1_2`, ` 7`, `+5`, `007`, `.5`, which DuckDB would take too. Whole numbers are
HUGEINT, decimal fractions DECIMAL, as far as these reach; core/query/decimals.py puts the parts together.
"""

from delta_server.core.query.decimals import WHOLE

NUMBER_PATTERN = r"-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?"

MOST_WHOLE, MOST_FRACTION = "1e27", "1e12"
"""Larger ones are added as DOUBLE: a sum of HUGEINT or DECIMAL(38, 17) may have no room for 10^9 of them."""


def bind(expression: str, name: str, body: str) -> str:
    """`body`, in which `name` stands for the value of an expression that is computed once."""
    return f"list_transform([{expression}], lambda {name}: {body})[1]"


def number_text(raw: str) -> str:
    """The text of a number, NULL for what is none. By what it begins with: a comparison of the first bytes."""
    is_number = f"({raw} >= '0' AND {raw} < ':') OR ({raw} >= '-' AND {raw} < '.')"
    return (
        f"""CASE WHEN {is_number} THEN {raw} WHEN regexp_full_match({raw}, '"{NUMBER_PATTERN}"') THEN {raw}[2:-2] END"""
    )


def to_double(raw: str) -> str:
    return f"try_cast({number_text(raw)} AS DOUBLE)"


def finite(value: str) -> str:
    return f"CASE WHEN isfinite({value}) THEN {value} END"


def to_hugeint(text: str, value: str) -> str:
    """A number's text as HUGEINT when it has neither fraction nor exponent; `value` is it as DOUBLE."""
    return f"CASE WHEN NOT {_is_broken(text)} AND abs({value}) < {MOST_WHOLE} THEN try_cast({text} AS HUGEINT) END"


def to_decimal(text: str, value: str) -> str:
    """The others as DECIMAL, when it has all their digits."""
    decimal = f"try_cast({text} AS DECIMAL(38, 17))"
    short = f"length({text}) <= 18 AND NOT contains(lower({text}), 'e')"
    return (
        f"CASE WHEN {_is_broken(text)} AND abs({value}) < {MOST_FRACTION}"
        f" THEN CASE WHEN {short} OR {decimal}::DOUBLE = {value} THEN {decimal} END END"
    )


def _is_broken(text: str) -> str:
    return f"(contains({text}, '.') OR contains({text}, 'e') OR contains({text}, 'E'))"


def large_for_double(whole: str, value: str) -> str:
    """Those that DOUBLE has not, for percentiles between them."""
    return f"CASE WHEN abs({value}) >= {WHOLE:d} THEN {whole}::DECIMAL(38, 2) END"


def canonical_text(shown: str, kind: str) -> str:
    """A value as json_extract_string has it, with one text for `12.0`, `1.2e1` and `12`, which `kind` (SQL, computed
    where it may be needed alone) calls a DOUBLE. Letters and digits are distinguished by their first byte."""
    like_one = f"{shown} < ':' AND ({shown} >= '0' OR ({shown} >= '-' AND {shown} < '.'))"
    is_double = f"{like_one} AND (suffix({shown}, '.0') OR contains({shown}, 'e')) AND {kind} = 'DOUBLE'"
    number = f"try_cast({shown} AS HUGEINT)"
    is_whole = f"{number}::DOUBLE = try_cast({shown} AS DOUBLE)"
    return f"CASE WHEN {is_double} AND {is_whole} THEN {number}::VARCHAR ELSE {shown} END"


def compare(raw: str, operator: str, given: float) -> str:
    """A value as a number compared with another one: past 2^53, as whole numbers."""
    if abs(given) < WHOLE:
        found = to_double("j")
        return bind(raw, "j", f"isfinite({found}) AND {found} {operator} {float(given)!r}::DOUBLE")
    equal = "true" if "=" in operator else "false"
    found = "try_cast(t AS DOUBLE)"
    exact = f"coalesce(try_cast(t AS HUGEINT) {operator} {int(given):d}::HUGEINT, {equal})"
    near = f"{float(given)!r}::DOUBLE"
    beyond = "false" if operator == "=" else f"{found} {operator.rstrip('=')} {near}"
    body = f"isfinite({found}) AND ({beyond} OR ({found} = {near} AND {exact}))"
    return bind(bind(raw, "j", number_text("j")), "t", body)
