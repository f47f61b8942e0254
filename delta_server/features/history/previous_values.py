"""What leaves were before they got their values: read from the version before the one that a blame found for each.

Leaves that changed together are read together. A page of a thousand leaves may have a thousand such versions: those of
the newest changes are read, up to a number and a size, and the others are left without an answer.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET

from delta_server.core import ids, times
from delta_server.core.history.blame import BlameSearch, LeafPlace
from delta_server.core.json import short_values, surrogates
from delta_server.features.history import store
from delta_server.features.history import walk as walks
from delta_server.features.history.schemas import PreviousValue
from delta_server.features.history.walk import HistoryWalk
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx

MOST_READ, READ_BYTES = 256, 16 << 20
"""Versions that are read, and their documents together; one at least."""
VALUE_BYTES = 400


class _Before(msgspec.Struct, frozen=True):
    """A version, and the leaves that changed with the one after it."""

    content: int
    captured_at: int
    size: int
    leaves: list[int]


async def read(
    svc: Services, walk: HistoryWalk, leaves: Sequence[LeafPlace], found_at: Mapping[int, store.WalkedContent]
) -> dict[int, PreviousValue | None]:
    """By leaf, None where no version came before. Raises Conflict when contents vanish meanwhile."""
    newest_first, at_first = await svc.db.read(_versions, walk.endpoint, found_at)
    chosen = _chosen(newest_first)
    slices = await walks.values(svc, walk, [version.content for version in chosen])
    uids = await svc.db.read(walks.first_snapshots, walk.endpoint, chosen)
    values = await svc.spare_cpu(_values, leaves, chosen, slices)
    found: dict[int, PreviousValue | None] = dict.fromkeys(at_first)
    for version in chosen:
        snapshot, at = ids.text(uids[version.content]), times.format(version.captured_at)
        found |= {leaf: _shown(snapshot, at, values[leaf]) for leaf in version.leaves}
    return found


def _versions(tx: Tx, endpoint: int, found_at: Mapping[int, store.WalkedContent]) -> tuple[list[_Before], list[int]]:
    """The versions before those that gave leaves their values, and the leaves that none was before."""
    by_version: dict[store.WalkedContent, list[int]] = defaultdict(list)
    for leaf, at in found_at.items():
        by_version[at].append(leaf)
    found: list[_Before] = []
    at_first: list[int] = []
    for at in sorted(by_version, key=lambda at: at.position, reverse=True)[:MOST_READ]:
        before = contents.before(tx, endpoint, at.position)
        if before is None:
            at_first += by_version[at]
        else:
            found.append(_Before(before.id, before.captured_at, before.size, by_version[at]))
    return found, at_first


def _chosen(newest_first: Sequence[_Before]) -> list[_Before]:
    """In the order of time."""
    size, chosen = 0, list[_Before]()
    for version in newest_first:
        size += version.size
        if chosen and size > READ_BYTES:
            break
        chosen.append(version)
    return chosen[::-1]


def _values(
    leaves: Sequence[LeafPlace], versions: Sequence[_Before], slices: Sequence[bytes | None]
) -> dict[int, bytes | None]:
    found: dict[int, bytes | None] = {}
    for version, raw in zip(versions, slices, strict=True):
        search = BlameSearch([leaves[leaf] for leaf in version.leaves])
        there = search.values_in(None if raw is None else surrogates.hide(raw))
        found |= {leaf: there[number] for number, leaf in enumerate(version.leaves)}
    return found


def _shown(snapshot_id: str, captured_at: str, value: bytes | None) -> PreviousValue:
    if value is None:
        return PreviousValue(snapshot_id, captured_at, exists=False)
    short = short_values.shortened(value, VALUE_BYTES)
    is_cut = True if short is not value else UNSET
    return PreviousValue(snapshot_id, captured_at, msgspec.Raw(surrogates.restore(short)), is_cut)
