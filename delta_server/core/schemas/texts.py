"""What strings look like, and which names of members are data rather than fields."""

import re
from collections.abc import Callable
from datetime import date

FORMATS = ("date-time", "date", "email", "uuid", "uri")
ALL_FORMATS = (1 << len(FORMATS)) - 1
_LONGEST = 2048
_IN_NAME = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN_LABEL = r"(?![^.]{64})[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"
_IN_PATH = r"[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2}"
_PATTERNS = (
    r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    r"\d{4}-\d\d-\d\d",
    rf"(?=[^@]{{1,64}}@.{{1,253}}\Z){_IN_NAME}+(?:\.{_IN_NAME}+)*@{_PLAIN_LABEL}(?:\.{_PLAIN_LABEL}){{1,8}}",
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    rf"https?://{_LABEL}(?:\.{_LABEL}){{0,8}}(?::\d{{1,5}})?(?:/(?:{_IN_PATH})*)?"
    rf"(?:\?(?:{_IN_PATH}|\?)*)?(?:#(?:{_IN_PATH}|\?)*)?",
)
"""No wider than what checks of JSON Schema take: a schema fits the documents it was learned from."""
_MATCHES = tuple(re.compile(pattern, re.ASCII).fullmatch for pattern in _PATTERNS)


def _begins_with_day(text: str) -> bool:
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def _test(name: str, matches: Callable[[str], object]) -> Callable[[str], bool]:
    if name in ("date", "date-time"):
        return lambda text: matches(text) is not None and _begins_with_day(text)
    return lambda text: matches(text) is not None


_TESTS = tuple((1 << n, _test(*pair)) for n, pair in enumerate(zip(FORMATS, _MATCHES, strict=True)))

_DATA_NAME = re.compile(
    r"[+-]?\d[\d.,]*|\d{4}-\d\d(?:-\d\d.*)?|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|(?=.*\d)[0-9a-fA-F]{16,}|.*[@/].*|.*\d{5}.*",
    re.ASCII | re.DOTALL,
)
LONGEST_NAME = 64
_CODE = re.compile(r"[A-Za-z0-9_.:/+-]{1,40}", re.ASCII)


def formats_of(text: str, among: int = ALL_FORMATS) -> int:
    """Bits of the formats it has."""
    if not among or len(text) > _LONGEST:
        return 0
    return sum(bit for bit, test in _TESTS if bit & among and test(text))


def format_name(formats: int) -> str | None:
    """The first of those that all strings have."""
    return next((name for n, name in enumerate(FORMATS) if formats >> n & 1), None)


def is_data(name: str) -> bool:
    """Whether a member's name looks like an id, a number or a date."""
    return len(name) > LONGEST_NAME or _DATA_NAME.fullmatch(name) is not None


def is_code(text: str) -> bool:
    """Whether it may be one of the values of an enumeration."""
    return _CODE.fullmatch(text) is not None
