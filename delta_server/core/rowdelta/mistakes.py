"""Files of rows that are written as others are, and what to do about them."""

import re

from delta_server.core.errors import Invalid

_ARRAY_OF_OBJECTS = re.compile(rb"[ \t\r\n]*\[[ \t\r\n]*\{")
_LONGEST_START, _LONGEST_HEAD = 64, 1 << 16
_QUOTED = re.compile(rb'"(?:[^"]++|"")*+"')
_SEPARATORS = {b";": "semicolons", b"\t": "tabs", b"|": "bars"}
GIVE_ELEMENTS = "give the elements of the array, one a line (jq -c '.[]' does that)"


def start(text: bytes) -> bytes:
    """As much of the rows as `check_one_row` looks at."""
    return text[:_LONGEST_START]


def check_one_row(begin: bytes, what: str) -> None:
    """The only row, of which `begin` is the start. Raises Invalid: it is an array of rows."""
    if _ARRAY_OF_OBJECTS.match(begin):
        raise Invalid(f"{what} is one row, an array of objects: {GIVE_ELEMENTS}")


def check_separator(head: bytes, what: str) -> None:
    """The first line of CSV. Raises Invalid: it has other separators than commas."""
    plain = _QUOTED.sub(b"", head[:_LONGEST_HEAD])
    if b'"' in plain:
        return  # of a name that goes over lines
    found = next((name for mark, name in _SEPARATORS.items() if mark in plain), None)
    if found is not None and b"," not in plain:
        raise Invalid(
            f"{what}: its first line has {found} where commas are expected: save it with commas, or put the name in"
            " quotes if it is one column"
        )
