"""Deltas computed before their documents are stored, and written in the transaction that stores them: such a document
never waits in the queue, and neither its row nor the documents are looked for once more. For small ones that follow one
which is at hand, as those of polls do."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from delta_server.core.arrays import key_cache
from delta_server.core.diff.diff_settings import DiffSettings
from delta_server.features.deltas import happenings, store
from delta_server.features.deltas.found_keys import compared_otherwise, with_votes_of
from delta_server.features.deltas.rows import Basis, Computed, Job, Summary
from delta_server.features.deltas.summaries import Compared, summarise_all
from delta_server.features.deltas.together import MOST_COUNTS
from delta_server.features.lives import service as life_index
from delta_server.services import Services
from delta_server.storage.database import Tx

TOGETHER_BYTES = 1 << 20
"""Of documents that are compared: some 15 ms on a thread. What is too much is left to the loop, at twice the cost."""
LOOKED_AT_ONE_IN = 8
"""New deltas, after which it is looked whether enough wait to be merged in the record index: some more may."""


class Successor(NamedTuple):
    """A document that is about to be stored, and the content before it."""

    endpoint: int
    basis: Basis
    previous: int
    before: bytes
    after: bytes

    @property
    def size(self) -> int:
        return len(self.before) + len(self.after)


class Foreseen(NamedTuple):
    """`summary` is None where there is no delta."""

    successor: Successor
    summary: Summary | None


class Stored(NamedTuple):
    """What became of a successor: its content, stored in this transaction behind the document it was compared to."""

    foreseen: Foreseen
    content: int
    captured_at: int


async def foresee(svc: Services, successors: Sequence[Successor]) -> dict[int, Foreseen]:
    """By endpoint. Left out, for the loop, is what fails, or is one too many."""
    small: list[Successor] = []
    size = counts = 0
    for each in successors:
        if size + each.size <= TOGETHER_BYTES:
            small.append(each)
            size += each.size
    if not small:
        return {}
    found: dict[int, Foreseen] = {}
    outcomes = await svc.cpu(summarise_all, [_compared(each) for each in small])
    for each, outcome in zip(small, outcomes, strict=True):
        own = len(outcome.fields) if isinstance(outcome, Summary) else 0
        if not isinstance(outcome, Exception) and counts + own <= MOST_COUNTS:
            found[each.endpoint] = Foreseen(each, outcome)
            counts += own
    return found


def _compared(this: Successor) -> Compared:
    settings = msgspec.json.decode(this.basis.diff, type=DiffSettings)
    return Compared(this.before, this.after, settings, key_cache.known(this.basis.votes))


def store_foreseen(tx: Tx, project: int, stored: Sequence[Stored]) -> list[int]:
    """The endpoints of which enough waits to be merged in their record index."""
    created = [content for each in stored for content in _store(tx, each)]
    happenings.created(tx, project, created)
    return life_index.to_be_merged(tx, [each.foreseen.successor.endpoint for each in stored if _is_looked_at(each)])


def _is_looked_at(this: Stored) -> bool:
    """One in so many, whatever the order in which endpoints have their turns: to count what waits takes 30 us."""
    return hash((this.foreseen.successor.endpoint, this.content)) % LOOKED_AT_ONE_IN == 0


def _store(tx: Tx, this: Stored) -> list[int]:
    """Contents whose deltas are new. None where the settings have changed meanwhile, or this is one of the first, which
    knew no keys yet: the loop compares them, more than once if need be."""
    successor, summary = this.foreseen
    endpoint, basis = successor.endpoint, store.basis(tx, successor.endpoint)
    if (basis.diff, basis.diff_version) != (successor.basis.diff, successor.basis.diff_version):
        return []
    job = Job(
        endpoint, this.content, this.captured_at, successor.previous, False, basis.diff, basis.diff_version,
        successor.size, 0,
    )  # fmt: skip
    computed = [Computed(job, summary)]
    votes, found = with_votes_of(basis.votes, computed)
    if not successor.basis.votes and compared_otherwise(computed, key_cache.known(votes)):
        return []
    if votes is not basis.votes:
        store.vote(tx, endpoint, found)
    return store.store_first(tx, endpoint, computed)
