"""Field patterns: the path of a value with `*` for any array element, as `/Incidents/*/AcresBurned`."""

from collections import Counter
from collections.abc import Mapping


def fold(counts: Mapping[str, int], limit: int) -> dict[str, int]:
    """At most `limit` patterns: past it the deepest are counted under their parents, level by level.

    A document that uses ids as object keys would otherwise make a pattern of every id.
    """
    folded = Counter(counts)
    while len(folded) > limit:
        depth = max(pattern.count("/") for pattern in folded)
        deepest = [pattern for pattern in folded if pattern.count("/") == depth]
        for pattern in deepest:
            folded[pattern.rpartition("/")[0]] += folded.pop(pattern)
    return dict(folded)
