"""What strings look like, and which names of members are data rather than fields."""

import re

FORMATS = ("date-time", "date", "email", "uuid", "uri")
ALL_FORMATS = (1 << len(FORMATS)) - 1
_LONGEST = 2048
_PATTERNS = (
    r"\d{4}-\d\d-\d\d[Tt][0-2]\d:[0-5]\d:[0-6]\d(?:\.\d{1,12})?(?:[Zz]|[+-]\d\d:\d\d)",
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])",
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}",
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    r"https?://[!-~]{1,2040}",
)
_TESTS = tuple((1 << n, re.compile(pattern, re.ASCII).fullmatch) for n, pattern in enumerate(_PATTERNS))

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
