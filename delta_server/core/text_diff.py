"""What changed inside a long string, word by word."""

import re
from typing import Literal

from delta_server.core import sequence

Sign = Literal["=", "-", "+"]
Run = tuple[Sign, str]

LONG = 60  # characters: shorter strings are shown whole
MAX_TOKENS = 20_000  # of the differing middles together; more are one removed and one added run
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


def runs(old: str, new: str) -> list[Run]:
    """Runs of kept (`=`), removed (`-`) and added (`+`) text; the kept and removed make `old`, kept and added `new`."""
    a, b = _TOKEN.findall(old), _TOKEN.findall(new)
    head = _common_head(a, b)
    tail = min(_common_head(a[::-1], b[::-1]), min(len(a), len(b)) - head)
    middle_a, middle_b = a[head : len(a) - tail], b[head : len(b) - tail]
    found: list[Run] = [("=", "".join(a[:head]))]
    found += _middle(middle_a, middle_b)
    found.append(("=", "".join(a[len(a) - tail :])))
    return _joined(found)


def _common_head(a: list[str], b: list[str]) -> int:
    for place, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return place
    return min(len(a), len(b))


def _middle(a: list[str], b: list[str]) -> list[Run]:
    kept = sequence.common(a, b) if len(a) + len(b) <= MAX_TOKENS else []
    found: list[Run] = []
    last_i = last_j = 0
    for i, j in [*kept, (len(a), len(b))]:
        found += [("-", "".join(a[last_i:i])), ("+", "".join(b[last_j:j])), ("=", "".join(a[i : i + 1]))]
        last_i, last_j = i + 1, j + 1
    return found


def _joined(found: list[Run]) -> list[Run]:
    """Empty runs dropped, neighbours of one sign joined."""
    joined: list[Run] = []
    for sign, text in found:
        if not text:
            continue
        if joined and joined[-1][0] == sign:
            joined[-1] = (sign, joined[-1][1] + text)
        else:
            joined.append((sign, text))
    return joined
