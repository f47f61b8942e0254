"""What projects and endpoints may be called.

A name is 1 to MAX_CHARACTERS characters in Unicode's NFC, so that a name typed on a Mac (which decomposes) is the same
as elsewhere. Slashes, spaces inside, letters of every script and emoji are welcome. Refused is what the eye cannot
see and what could be taken for something else: control characters, line breaks, bidirectional marks and zero-width
characters (the two joiners that emoji and several scripts are written with are allowed), space at the ends, `.` and
`..` (which URLs swallow), and the form of an id, because a name may stand wherever an id may.
"""

import unicodedata
from typing import Annotated

from delta_server.core import ids
from delta_server.core.errors import Invalid
from delta_server.core.json_schema import documented

MAX_CHARACTERS = 200
MAX_DESCRIPTION = 2_000

Name = Annotated[str, documented(minLength=1, maxLength=MAX_CHARACTERS)]
Description = Annotated[str, documented(maxLength=MAX_DESCRIPTION)]

_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}")


def check(text: str, *, field: str = "name") -> str:
    """The name in NFC. Raises Invalid."""
    problem = _problem(name := normal(text))
    if problem:
        raise Invalid(f"{field} {problem}", field=field)
    return name


def check_description(text: str, *, field: str = "description") -> str:
    """Any text up to MAX_DESCRIPTION characters but NUL, which not every database can hold. Raises Invalid."""
    if len(text) > MAX_DESCRIPTION:
        raise Invalid(f"{field} has {len(text)} characters: at most {MAX_DESCRIPTION} are allowed", field=field)
    if "\0" in text:
        raise Invalid(f"{field} contains the character U+0000, which is not allowed", field=field)
    return text


def normal(text: str) -> str:
    """The form names are stored and looked up in. Anything far too long stays as it is: no name is."""
    return text if len(text) > 4 * MAX_CHARACTERS else unicodedata.normalize("NFC", text)


def page_range(prefix: str, after: str | None) -> tuple[str, str]:
    """The half-open range, by code point, of the names that begin with `prefix` and come after the name `after`.

    No name holds a character as low as U+0001 or as high as U+10FFFF.
    """
    prefix = normal(prefix)
    return (prefix if after is None else max(prefix, after + "\x01")), prefix + "\U0010ffff"


def _problem(name: str) -> str | None:
    if not name:
        return "is empty: give 1 to 200 characters"
    if len(name) > MAX_CHARACTERS:
        return f"has {len(name)} characters: at most {MAX_CHARACTERS} are allowed"
    if name != name.strip():
        return "begins or ends with white space"
    if name in (".", ".."):
        return "cannot be . or .., which have their own meaning in URLs"
    if ids.try_parse(name) is not None:
        return "looks like an id: choose another"
    return next(filter(None, map(_refusal, name)), None)


def _refusal(character: str) -> str | None:
    noncharacter = ord(character) & 0xFFFE == 0xFFFE
    if not noncharacter and (unicodedata.category(character) not in _REFUSED_CATEGORIES or character in _JOINERS):
        return None
    return f"contains the invisible character U+{ord(character):04X}, which is not allowed"
