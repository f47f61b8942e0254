"""What a person's traits were before: the changes that their identify calls made, from the calls themselves.

Of each trait what was sent last counts, null takes it away, as in profile_update.py.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET, Raw, UnsetType

_decode = msgspec.json.Decoder(dict[str, Raw]).decode
_value = msgspec.json.Decoder().decode
_in_order = msgspec.json.Encoder(order="sorted").encode


class IdentifyCall(msgspec.Struct, frozen=True):
    """`traits` is the text of a JSON object."""

    at: int
    seq: int
    message_id: str
    traits: str


class TraitChange(msgspec.Struct, frozen=True):
    """`before` is UNSET where no call looked at set it, `after` where it was taken away."""

    trait: str
    before: Raw | UnsetType = UNSET
    after: Raw | UnsetType = UNSET


class TraitsChanged(msgspec.Struct, frozen=True):
    at: int
    seq: int
    message_id: str
    changes: list[TraitChange]


def changes(calls: Iterable[IdentifyCall]) -> list[TraitsChanged]:
    """Of calls in order of time, those that changed something, the newest first."""
    known: dict[str, Raw] = {}
    found = []
    for call in calls:
        changed = [one for name, value in _decode(call.traits).items() if (one := _change(known, name, value))]
        if changed:
            found.append(TraitsChanged(call.at, call.seq, call.message_id, changed))
    return found[::-1]


def page(
    newest_first: Sequence[IdentifyCall], *, most: int, behind: int, limit: int
) -> tuple[list[TraitsChanged], tuple[int, int] | None]:
    """Up to `limit` of the changes, and the (at, seq) that the next page goes on behind. More than `most` calls are
    there where there are older ones: then the last `behind` of them only say what was before."""
    found = changes(newest_first[::-1])
    end = None
    if len(newest_first) > most:
        last = newest_first[most - behind - 1]
        end = last.at, last.seq
        found = [one for one in found if (one.at, one.seq) >= end]
    if len(found) > limit:
        end = found[limit - 1].at, found[limit - 1].seq
    return found[:limit], end


def _change(known: dict[str, Raw], name: str, value: Raw) -> TraitChange | None:
    before: Raw | UnsetType = known.pop(name, UNSET)
    is_taken = bytes(value) == b"null"
    if not is_taken:
        known[name] = value
    if before is UNSET:
        return None if is_taken else TraitChange(name, after=value)
    if is_taken:
        return TraitChange(name, before)
    return None if _equal(before, value) else TraitChange(name, before, value)


def _equal(one: Raw, other: Raw) -> bool:
    """Whatever the spaces and the order of members."""
    return bytes(one) == bytes(other) or _in_order(_value(one)) == _in_order(_value(other))
