"""Computing deltas: behind the writes, in the order of the queue, or at once for a request that waits for one."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import msgspec
import structlog

from delta_server.core.arrays import key_cache
from delta_server.core.diff.diff_settings import DiffSettings, KnownKeys
from delta_server.core.errors import DatabaseFailed, NotFound, RateLimited, TooCostly, Unavailable
from delta_server.features.deltas import happenings, store, together
from delta_server.features.deltas.found_keys import compared_otherwise, with_votes_of
from delta_server.features.deltas.rows import Computed, Job, Summary
from delta_server.features.deltas.summaries import Compared, summarise_all
from delta_server.features.deltas.together import Queued
from delta_server.features.lives import service as life_index
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx

logger = structlog.get_logger()

QUEUE_PAGE = 64
MIN_SHARE = 4
"""Deltas computed of one endpoint before the next has its turn: one with a long queue does not keep others waiting."""

YIELD_FACTOR = 4
"""While callers store snapshots, the background computes deltas of their project for a fifth of the time: it lets them
pass for four times as long as a delta took,"""
YIELD_FACTOR_WITH_OTHERS = 1
"""deltas of other projects for half of it: nobody's posts hold back what others wait for,"""
MAX_PAUSE_S = 1.0
"""but no longer than this."""

LARGE_BYTES = 1 << 22
"""Attempts are counted from so many bytes of both documents on, and such a delta is computed by itself: smaller ones
cannot take so much memory that the server ends, and the write would cost more than they do."""
MOST_TOGETHER = 32
"""Deltas of smaller documents are computed several at a time, of LARGE_BYTES together: to hand one to a thread takes
40 us, as long as it takes to compare 10 kB; to a process ten times as long, and a document between two deltas is handed
over once."""


async def compute_queued(svc: Services, on_progress: Callable[[int], None] = lambda done: None) -> bool:
    """Compute the next deltas that wait, some of each endpoint; False when none does.

    `on_progress` is called with how many left the queue, now and then. One for which memory or the disk is short goes
    on waiting; raises Unavailable when that is all there was."""
    if not svc.db.peek(store.has_work):
        return False
    waiting = await svc.db.read(store.waiting)
    if not waiting:
        return await svc.db.write(store.requeue, QUEUE_PAGE)
    put_off: list[Unavailable] = []
    for project, endpoints in waiting.items():
        try:
            await compute_some(svc, project, endpoints, on_progress)
        except Unavailable as error:
            put_off.append(error)
    if len(put_off) == len(waiting):
        raise put_off[0]
    return True


async def compute_some(
    svc: Services,
    project: int,
    endpoints: Sequence[int],
    on_progress: Callable[[int], None] = lambda done: None,
    *,
    is_alone: bool = False,
) -> None:
    """As `compute_queued`, of these endpoints of a project. One that `is_alone` has two endpoints at a time while no
    caller waits: a core each."""
    share = max(MIN_SHARE, QUEUE_PAGE // len(endpoints))
    put_off: list[Unavailable] = []
    for begin in range(0, len(endpoints), together.ENDPOINTS_AT_ONCE):
        some = endpoints[begin : begin + together.ENDPOINTS_AT_ONCE]
        if len(some) <= together.PEEKED:
            queued = svc.db.peek(together.queues, some, share)
        else:
            queued = await svc.db.read(together.queues, some, share)
        done = await _compute_at_hand(svc, project, queued, on_progress)
        left = deque(each for each in queued if each.endpoint not in done)
        runs = [_compute_each(svc, project, left, on_progress)]
        if is_alone and len(left) > 1:
            runs.append(_compute_each(svc, project, left, on_progress, beside=True))
        for outcome in await asyncio.gather(*runs, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
            put_off += outcome
    if len(put_off) == len(endpoints):
        raise put_off[0]


async def _compute_each(
    svc: Services, project: int, left: deque[Queued], on_progress: Callable[[int], None], *, beside: bool = False
) -> list[Unavailable]:
    """Why those were put off that were. `beside` another that takes from the same ones: while no caller waits, and
    without what takes much memory."""
    put_off: list[Unavailable] = []
    while left and not (beside and (svc.foreground.is_busy or any(job.size >= LARGE_BYTES for job in left[0].jobs))):
        endpoint, jobs = left[0].endpoint, left.popleft().jobs
        try:
            computed = await _compute(svc, endpoint, jobs, yield_to=project)
            on_progress(await _store_results(svc, project, endpoint, computed))
        except Unavailable as error:
            logger.warning("deltas put off", endpoint=endpoint, reason=error.message)
            put_off.append(error)
    return put_off


async def _compute_at_hand(
    svc: Services, project: int, queued: Sequence[Queued], on_progress: Callable[[int], None]
) -> Sequence[int]:
    """Those of which the deltas are done."""
    began_s = time.monotonic()
    try:
        done, left = await together.compute_at_hand(svc, project, queued)
    except Unavailable:  # each says so by itself
        return ()
    if done:
        on_progress(left)
        svc.topics.wake("happenings", project)
        await life_index.merge_into_runs(svc, *done)
        await _yield_to_callers(svc, project, took_s=time.monotonic() - began_s)
    return done


async def compute_now(svc: Services, project: int, snapshots: Sequence[bytes]) -> None:
    """Compute those of the deltas that lead to `snapshots` that still wait, as many as a turn is enough for."""
    if not await svc.db.read(_read_jobs, project, snapshots):
        return
    with suppress(TooCostly, RateLimited, Unavailable):
        async with svc.fair_cpu.turn(project, kind="new deltas") as thread:
            svc = msgspec.structs.replace(svc, spare_cpu=thread)
            while jobs := await svc.db.read(_read_jobs, project, snapshots):
                of_one = [job for job in jobs if job.endpoint == jobs[0].endpoint][:QUEUE_PAGE]
                await _store_results(svc, project, of_one[0].endpoint, await _compute(svc, of_one[0].endpoint, of_one))


def _read_jobs(tx: Tx, project: int, snapshots: Sequence[bytes]) -> list[Job]:
    jobs = [job for snapshot in snapshots if (job := store.job(tx, project, snapshot))]
    return sorted(jobs, key=lambda job: (job.endpoint, job.captured_at))


async def _compute(svc: Services, endpoint: int, jobs: Sequence[Job], *, yield_to: int | None = None) -> list[Computed]:
    """With the keys of arrays that earlier deltas of the endpoint found; those that these find are remembered too. Lets
    callers pass, those of project `yield_to` above all."""
    votes = svc.db.peek(store.basis, endpoint).votes
    done = await _compute_run(svc, endpoint, jobs, key_cache.known(votes), yield_to=yield_to)
    new, found = with_votes_of(votes, done)
    if not votes and (odd := compared_otherwise(done, key_cache.known(new))):
        again = await _compute_run(svc, endpoint, odd, key_cache.known(new), yield_to=yield_to)
        by_content = {computed.job.content: computed for computed in again}
        done = [by_content.get(computed.job.content, computed) for computed in done]
        new, found = with_votes_of(votes, done)
    if new is not votes:
        await svc.db.write(store.vote, endpoint, found)
    return done


async def _compute_run(
    svc: Services, endpoint: int, jobs: Sequence[Job], known: KnownKeys, *, yield_to: int | None
) -> list[Computed]:
    wanted = list(dict.fromkeys(id for job in jobs for id in (job.previous, job.content) if id is not None))
    bodies: dict[int, bytes] = {}
    settings = msgspec.json.decode(jobs[0].diff, type=DiffSettings)
    done: list[Computed] = []
    waiting = iter(jobs)
    job = next(waiting, None)
    small: list[Pair] = []

    async def compute(pairs: Sequence[Pair]) -> None:
        began_s = time.monotonic()
        done.extend(await _computed(svc, pairs, settings, known))
        if yield_to is not None:
            await _yield_to_callers(svc, yield_to, took_s=time.monotonic() - began_s)

    try:
        async for content, body in contents.read_run(svc.contents, endpoint, wanted):
            bodies[content] = body
            while job is not None and job.content in bodies:
                pair = _pair(job, bodies)
                if len(small) == MOST_TOGETHER or sum(map(_size, small)) + _size(pair) > LARGE_BYTES:
                    pairs, small = small, []
                    await compute(pairs)
                small.append(pair)
                job = next(waiting, None)
                bodies = {content: body}
        await compute(small)
    except DatabaseFailed:
        done += await _computed(svc, small, settings, known)
        done += await _compute_singly(svc, endpoint, jobs[len(done) :], settings, known)
    except NotFound:
        # A content was deleted since the queue was read: the next look at the queue knows.
        done += await _computed(svc, small, settings, known)
        logger.debug("contents changed concurrently", endpoint=endpoint)
    return done


async def _yield_to_callers(svc: Services, project: int, *, took_s: float) -> None:
    own_s, others_s = (min(MAX_PAUSE_S, times * took_s) for times in (YIELD_FACTOR, YIELD_FACTOR_WITH_OTHERS))
    await svc.foreground.yield_to_callers(project, own_s=own_s, others_s=others_s)


async def _compute_singly(
    svc: Services, endpoint: int, jobs: Sequence[Job], settings: DiffSettings, known: KnownKeys
) -> list[Computed]:
    """Damage in one place must not cost the deltas of all others: `verify` names it, what it touches has no delta."""
    done: list[Computed] = []
    for job in jobs:
        try:
            wanted = [id for id in (job.previous, job.content) if id is not None]
            bodies = {id: await contents.read(svc.contents, endpoint, id) for id in wanted}
            done += await _computed(svc, [_pair(job, bodies)], settings, known)
        except NotFound:
            break
        except DatabaseFailed as error:
            logger.error("delta not computed", endpoint=endpoint, content=job.content, reason=error.message)
            done.append(Computed(job, None, failed=True))
    return done


Pair = tuple[Job, bytes, bytes]
"""A delta and its two documents, where it has two that differ."""


def _pair(job: Job, bodies: Mapping[int, bytes]) -> Pair:
    if job.previous is None or job.same:
        return job, b"", b""
    return job, bodies[job.previous], bodies[job.content]


def _size(pair: Pair) -> int:
    return len(pair[1]) + len(pair[2])


async def _computed(svc: Services, pairs: Sequence[Pair], settings: DiffSettings, known: KnownKeys) -> list[Computed]:
    """Those of small documents together; a large one comes alone."""
    wanted = [pair for pair in pairs if _size(pair) and pair[0].attempts < store.MOST_ATTEMPTS]
    compared = [Compared(old, new, settings, known) for _, old, new in wanted]
    found: dict[int, Summary | Exception | None] = {}
    if wanted:
        async with AsyncExitStack() as attempts:
            for job, _, _ in wanted:
                await attempts.enter_async_context(_attempt(svc, job))
            outcomes = await _summarised(svc, compared)
        found = {job.content: outcome for (job, _, _), outcome in zip(wanted, outcomes, strict=True)}
    return [together.outcome(job, found.get(job.content)) for job, _, _ in pairs]


class _OutOfMemory(Unavailable):
    pass


async def _summarised(svc: Services, pairs: Sequence[Compared]) -> Sequence[Summary | Exception | None]:
    try:
        outcomes = await svc.cpu_for(sum(pair.size for pair in pairs))(summarise_all, pairs)
    except Unavailable:
        raise
    except MemoryError as error:
        outcomes = [error]
    except Exception as error:
        return [error] * len(pairs)
    if any(isinstance(outcome, MemoryError) for outcome in outcomes):
        raise _OutOfMemory("the server is out of memory; the delta is computed later", retry_after_s=30)
    return outcomes


@asynccontextmanager
async def _attempt(svc: Services, job: Job) -> AsyncIterator[None]:
    """Count the attempt before it begins, where documents are so large that it may take all memory: should the server
    end with it, the next start knows. One that ran out of memory counts, one that was broken off by a stop does not.
    """
    if job.size < LARGE_BYTES:
        yield
        return
    try:
        await svc.db.write(store.attempt, job.endpoint, job.content, 1)
        yield
    except _OutOfMemory:
        raise
    except (asyncio.CancelledError, Unavailable):
        await asyncio.shield(svc.db.write(store.attempt, job.endpoint, job.content, -1))
        raise


async def _store_results(svc: Services, project: int, endpoint: int, done: Sequence[Computed]) -> int:
    """How many left the queue."""
    left = sum([await svc.db.write(_store_part, project, endpoint, part) for part in _parts(done)])
    svc.topics.wake("happenings", project)
    await life_index.merge_into_runs(svc, endpoint)
    return left


def _store_part(tx: Tx, project: int, endpoint: int, part: Sequence[Computed]) -> int:
    left, new = store.store_results(tx, endpoint, part)
    happenings.created(tx, project, new)
    return left


def _parts(done: Sequence[Computed]) -> Iterator[Sequence[Computed]]:
    """Cut so that what one write counts takes a few ms."""
    begin, counts = 0, 0
    for end, computed in enumerate(done):
        fields = len(computed.summary.fields) if computed.summary else 0
        if end - begin == together.MOST_STORED or (end > begin and counts + fields > together.MOST_COUNTS):
            yield done[begin:end]
            begin, counts = end, 0
        counts += fields
    yield done[begin:]
