"""The tokens a text is compared by: words where a script has spaces, else characters; marks stay with their base.

By UAX #29, simplified: a word is a run of letters, digits and `_`; white space is a token; anything else is one each, a
flag or a joined emoji too. In scripts without spaces each character is a token with the marks that follow it, as the
default word boundaries of UAX #29 have it (words of Chinese or Thai would take a dictionary).
"""

import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from unicodedata import category

# Scripts without spaces between words, by block.
_NO_SPACES = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff\u19e0-\u19ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf"  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\u1b00-\u1b7f\ua980-\ua9df"  # Balinese, Javanese
    "\u2e80-\u303f\u3040-\u30ff\u3100-\u312f\u31a0-\u31ff\uff66-\uff9d"  # radicals, kana, Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\ua000-\ua4cf\U00016fe0-\U00018cff\U0001b000-\U0001b2ff"  # Yi, Tangut, Khitan, Nushu, more kana
)
_STACKERS = "\u1039\u17d2"  # of Myanmar and Khmer: the next consonant belongs to the one before
_JOINER = "\u200d"
# Beside the marks: joiners, vowels and sound marks that are letters to Unicode, skin tones, tags.
_EXTENDERS = f"\u200c{_JOINER}\u0e33\u0eb3\uff9e\uff9f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"
_FLAG_LETTERS = "\U0001f1e6-\U0001f1ff"


def tokens(text: str) -> list[str]:
    """They make the text when joined."""
    return _find()(text)


@cache
def _find() -> Callable[[str], list[str]]:
    """Marks are read from unicodedata when the first text comes: 50 ms, once."""
    extend = _EXTENDERS + "".join(_marks())
    unspaced = f"[{_NO_SPACES}][{extend}]*+(?:(?<=[{_STACKERS}])[{_NO_SPACES}][{extend}]*+)*+"
    word = f"(?:[^\\W{_NO_SPACES}]|[{extend}])++"
    other = f"(?:[{_FLAG_LETTERS}]{{2}}|[^\\w\\s])[{extend}]*+(?:(?<={_JOINER})[^\\w\\s][{extend}]*+)*+"
    return re.compile(f"{unspaced}|{word}|\\s++|{other}").findall


def _marks() -> Iterator[str]:
    """Ranges of the characters that Unicode calls marks, for a set in a regular expression."""
    last = first = -1
    for code in (*range(0x300, 0x1F000), *range(0xE0100, 0xE01F0), sys.maxunicode):
        if category(chr(code))[0] != "M":
            continue
        if code != last + 1:
            if first >= 0:
                yield f"{chr(first)}-{chr(last)}"
            first = code
        last = code
    yield f"{chr(first)}-{chr(last)}"
