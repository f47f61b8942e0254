"""Text as it is sought: case does not count, and neither do accents. `elounda` finds Eloúnda."""

import re
import unicodedata
from functools import cache

import msgspec

_ACCENTS = range(0x300, 0x370)
_COMPOSED = range(0xC0, 0x2130)
"""Where letters stand that are others with an accent: Latin, Greek, Cyrillic."""
_STROKES = dict(zip("øØłŁđĐðÐħĦıς", "oOlLdDdDhHiσ", strict=True))
"""Letters that are read as others, though Unicode does not take them apart."""
_NOTHING = rb"(?!)"
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def fold(text: str) -> str:
    """What is compared of a text."""
    return text.lower() if text.isascii() else text.translate(_letters()).lower().replace("ς", "σ")


def find(text: str, folded: str) -> int:
    """Where in `text` that stands which folds to `folded`; -1 where it does not."""
    at = fold(text).find(folded)
    if at <= 0 or text.isascii():
        return at
    for n, character in enumerate(text):
        at -= len(fold(character))
        if at < 0:
            return n
    return len(text)


class FoldedText:
    """A text that is sought in JSON."""

    def __init__(self, text: str) -> None:
        self.folded = fold(text)
        self._forms = [self.folded, *({text} - {self.folded})]
        """As it was typed too: some letters change only in one direction."""
        self._patterns: dict[tuple[bool, bool], re.Pattern[bytes]] = {}

    def is_in(self, text: str) -> bool:
        return self.folded in fold(text)

    def may_be_in(self, raw: bytes | msgspec.Raw) -> bool:
        """Whether JSON may have it in a name or value, by its bytes."""
        text = bytes(raw)
        return self._pattern(is_ascii=text.isascii(), escapes=b"\\" in text).search(text) is not None

    def _pattern(self, *, is_ascii: bool, escapes: bool) -> re.Pattern[bytes]:
        found = self._patterns.get((is_ascii, escapes))
        if found is None:
            both = (_written(one, is_ascii=is_ascii, escapes=escapes) for one in self._forms)
            found = self._patterns[is_ascii, escapes] = re.compile(b"|".join(both))
        return found


@cache
def _letters() -> dict[int, str | None]:
    """What `str.translate` does with letters that have an accent, and with accents: made when it is first needed, in
    10 ms."""
    letters: dict[int, str | None] = dict.fromkeys(_ACCENTS)
    letters |= {ord(letter): plain for letter, plain in _STROKES.items()}
    for code in _COMPOSED:
        apart = unicodedata.normalize("NFD", chr(code))
        plain = [one for one in apart if ord(one) not in _ACCENTS]
        if len(plain) == 1 and plain[0] != chr(code):
            letters[code] = _STROKES.get(plain[0], plain[0])
    return letters


@cache
def _variants() -> dict[str, set[str]]:
    """The letters that fold to one."""
    found: dict[str, set[str]] = {}
    for code, plain in _letters().items():
        if plain is not None:
            found.setdefault(plain.lower(), set()).add(chr(code))
    return found


def _written(text: str, *, is_ascii: bool, escapes: bool) -> bytes:
    """What finds all of a folded text in JSON that has it, and little more. Without `escapes` where no backslash is."""
    accents = [] if is_ascii else [rb"\xcc[\x80-\xbf]", rb"\xcd[\x80-\xaf]"]
    if escapes:
        accents.append(rb"\\u03[0-6][0-9A-Fa-f]")
    between = b"(?:" + b"|".join(accents) + b")*" if accents else b""
    return between.join(_character(character, is_ascii=is_ascii, escapes=escapes) for character in text)


def _character(character: str, *, is_ascii: bool, escapes: bool) -> bytes:
    variants = {one for one in (character, character.lower(), character.upper()) if len(one) == 1}
    if escapes or not is_ascii:
        variants |= _variants().get(character, set())
    written = _bytes({variant.encode() for variant in variants if variant.isascii() or not is_ascii})
    if escapes:
        written |= {_escape(variant) for variant in variants}
        written |= {re.escape(_SHORT_ESCAPES[one].encode()) for one in variants if one in _SHORT_ESCAPES}
    return b"(?:" + b"|".join(sorted(written)) + b")" if written else _NOTHING


def _bytes(variants: set[bytes]) -> set[bytes]:
    """Patterns of letters in UTF-8: those that differ in their last byte together. Each begins with one byte alone, by
    which `re` passes over most of a document."""
    by_start: dict[bytes, set[int]] = {}
    for variant in variants:
        by_start.setdefault(variant[: len(variant) - 1], set()).add(variant[-1])
    single = {re.escape(bytes([one])) for one in by_start.pop(b"", ())}
    return single | {
        start + b"[" + b"".join(re.escape(bytes([one])) for one in sorted(last)) + b"]"
        for start, last in by_start.items()
    }


def _escape(character: str) -> bytes:
    """`\\u00e9`, whatever the case of its digits; two of them past U+FFFF."""
    units = character.encode("utf-16-be")
    digits = ["".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in units[n : n + 2].hex()) for n in (0, 2)]
    return "".join(rf"\\u{unit}" for unit in digits if unit).encode()
