"""Which known word somebody meant, for messages about an unknown one."""

from collections.abc import Iterable
from difflib import get_close_matches

_MAX_SHOWN = 60


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (userId?)` for `userid`; nothing when no known word is like it."""
    by_letters = {_letters(name): name for name in known}
    letters = _letters(word[:_MAX_SHOWN])
    similar = get_close_matches(letters, by_letters, n=1, cutoff=0.65)
    begins = [name for name in by_letters if len(letters) >= 3 and name.startswith(letters)]
    return f" ({by_letters[(begins or similar)[0]]}?)" if begins or similar else ""


def quoted(value: object) -> str:
    """A value of a request as messages show it: its first characters."""
    text = repr(value) if not isinstance(value, str) else f'"{value}"'
    text = text.encode(errors="replace").decode()
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."


def _letters(word: str) -> str:
    return word.lower().replace("_", "")
