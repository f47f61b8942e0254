"""The keys of arrays that comparisons of consecutive versions found, remembered for comparisons of any two.

Between far moments few records are found again, and a field such as a title may be found again more often than the key
is. Each array path has one candidate and its votes, as in Boyer and Moore's majority vote: what most comparisons found
stays, and a single odd one changes nothing.
"""

from collections.abc import Mapping

import msgspec

from delta_server.core.diff.diff_settings import Fields, KnownKeys

MAX_PATTERNS = 64
MAX_PATTERN_CHARS = 512
MAX_VOTES = 16  # so that a key that really changed is forgotten after as many comparisons


class Vote(msgspec.Struct, frozen=True, array_like=True):
    fields: Fields
    votes: int


Votes = dict[str, Vote]
"""By the pattern of the array."""


def known(votes: Votes) -> KnownKeys:
    return tuple(sorted((pattern, vote.fields) for pattern, vote in votes.items()))


def add_votes(votes: Votes, found: Mapping[str, Fields]) -> Votes:
    """The votes with those of one comparison, which found keys by pattern; `votes` itself if that changes nothing."""
    changed = dict(votes)
    for pattern, fields in found.items():
        if len(pattern) > MAX_PATTERN_CHARS or "**" in pattern.split("/"):
            continue
        old = changed.get(pattern)
        if old is not None and old.fields == fields:
            changed[pattern] = Vote(fields, min(MAX_VOTES, old.votes + 1))
        elif old is not None and old.votes > 1:
            changed[pattern] = Vote(old.fields, old.votes - 1)
        else:
            changed[pattern] = Vote(fields, 1)
    while len(changed) > MAX_PATTERNS:
        del changed[min(changed, key=lambda pattern: (changed[pattern].votes, pattern))]
    return votes if changed == votes else changed
