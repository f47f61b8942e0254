"""Deltas of several endpoints together, where each is small and at hand: to hand one to a thread, and what came of it
to the writer, takes longer than to compare 10 kB. What is not so is left to computing.py."""

from collections.abc import Mapping, Sequence

import msgspec
import structlog

from delta_server.core.arrays import key_cache
from delta_server.core.arrays.key_cache import Votes
from delta_server.core.diff.diff_settings import DiffSettings, Fields
from delta_server.features.deltas import happenings, store
from delta_server.features.deltas.found_keys import compared_otherwise, with_votes_of
from delta_server.features.deltas.rows import Computed, Job, Summary
from delta_server.features.deltas.summaries import Compared, summarise_all
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx

ENDPOINTS_AT_ONCE = 16
PEEKED = 8
"""Endpoints whose jobs are read on the event loop, in 1 ms at most."""
TOGETHER_BYTES = 1 << 18
MOST_STORED = 32
"""Deltas that one write stores: each is some ten statements, and others wait meanwhile."""
MOST_COUNTS = 2048
"""Changes of fields counted in one write."""

log = structlog.get_logger("delta.deltas")


class Queued(msgspec.Struct, frozen=True):
    """The next jobs of an endpoint, and the keys that its deltas found."""

    endpoint: int
    jobs: Sequence[Job]
    votes: Votes


class _Done(msgspec.Struct, frozen=True):
    endpoint: int
    found: Sequence[Mapping[str, Fields]]
    computed: Sequence[Computed]


def queues(tx: Tx, endpoints: Sequence[int], share: int) -> list[Queued]:
    """Of those that have any, `share` each."""
    found = ((endpoint, store.queue(tx, endpoint, share)) for endpoint in endpoints)
    return [Queued(endpoint, jobs, store.basis(tx, endpoint).votes) for endpoint, jobs in found if jobs]


async def compute_at_hand(svc: Services, project: int, queued: Sequence[Queued]) -> tuple[list[int], int]:
    """The endpoints whose deltas were computed and stored, and how many these were."""
    at_hand: list[tuple[Queued, list[Compared]]] = []
    size = jobs = 0
    for each in queued:
        if jobs + len(each.jobs) > MOST_STORED:
            continue
        pairs = _pairs_at_hand(svc, each)
        if pairs is not None and size + (own := sum(pair.size for pair in pairs)) <= TOGETHER_BYTES:
            at_hand.append((each, pairs))
            size += own
            jobs += len(each.jobs)
    if not at_hand:
        return [], 0
    outcomes = await svc.spare_cpu(summarise_all, [pair for _, pairs in at_hand for pair in pairs])
    if any(isinstance(each, MemoryError) for each in outcomes):
        return [], 0
    left_over, done, counts = iter(outcomes), list[_Done](), 0
    for each, _ in at_hand:
        computed = [outcome(job, next(left_over)) for job in each.jobs]
        new, found = with_votes_of(each.votes, computed)
        counts += (own := sum(len(one.summary.fields) for one in computed if one.summary))
        if counts > MOST_COUNTS:
            counts -= own
        elif each.votes or not compared_otherwise(computed, key_cache.known(new)):
            done.append(_Done(each.endpoint, found if new is not each.votes else (), computed))
    left = await svc.db.write(_store_all, project, done)
    return [each.endpoint for each in done], left


def _pairs_at_hand(svc: Services, queued: Queued) -> list[Compared] | None:
    """None where a document is large or not in memory, or a delta was tried before."""
    known, pairs = key_cache.known(queued.votes), list[Compared]()
    for job in queued.jobs:
        if job.previous is None or job.same or job.attempts or job.size > TOGETHER_BYTES // 4:
            return None
        old = contents.cached(svc.contents, job.endpoint, job.previous)
        new = contents.cached(svc.contents, job.endpoint, job.content)
        if old is None or new is None:
            return None
        pairs.append(Compared(old, new, msgspec.json.decode(job.diff, type=DiffSettings), known))
    return pairs


def outcome(job: Job, summary: Summary | Exception | None) -> Computed:
    if job.previous is None or job.same:
        return Computed(job, None)
    if job.attempts >= store.MOST_ATTEMPTS:
        reason = f"computing it did not end {job.attempts} times, and the server with it"
        log.error("delta not computed", endpoint=job.endpoint, content=job.content, reason=reason)
        return Computed(job, None, failed=True, never_ended=True)
    if isinstance(summary, Exception):  # a fault of the diff with one document must not stop the deltas of all others
        log.error("delta not computed", endpoint=job.endpoint, content=job.content, exc_info=summary)
        return Computed(job, None, failed=True)
    return Computed(job, summary)


def _store_all(tx: Tx, project: int, done: Sequence[_Done]) -> int:
    """How many left the queue."""
    left, created = 0, list[int]()
    for each in done:
        if each.found:
            store.vote(tx, each.endpoint, each.found)
        stored, new = store.store_results(tx, each.endpoint, each.computed)
        left += stored
        created += new
    happenings.created(tx, project, created)
    return left
