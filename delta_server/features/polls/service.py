"""Polls that callers ask for, and the record of those that were."""

import asyncio
from collections.abc import Sequence

import msgspec

from delta_server.core.errors import Conflict
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.polling.queue import WaitingPoll
from delta_server.core.polling.schedule import State, state_of
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.polling import service as polling
from delta_server.features.polls import store
from delta_server.features.polls.happenings import FAILED as FAILED
from delta_server.features.polls.happenings import RECOVERED as RECOVERED
from delta_server.features.polls.running import RunningPolls
from delta_server.features.polls.store import CLOCK, Bucket, PollRow
from delta_server.features.polls.store import durations as durations
from delta_server.services import Services
from delta_server.storage.database import Tx

WAIT_S = 25.0
"""A caller waits so long for a poll: proxies end what takes longer."""


class Now(msgspec.Struct, frozen=True):
    """How an endpoint's polling stands."""

    state: State
    due_at: int | None


class Failing(msgspec.Struct, frozen=True):
    endpoint: EndpointRef
    state: State
    since_ms: int


class Summary(msgspec.Struct, frozen=True):
    now: Now
    classes: dict[str, int]
    buckets: list[Bucket]


async def poll_now(svc: Services, endpoint: EndpointRef) -> tuple[PollRow | None, Now]:
    """Whatever its schedule says, and whether it is switched off. The row is None when it has not ended in time.
    Raises Conflict where it is not polled at all, Unavailable when the outcome cannot be recorded."""
    row = svc.db.peek(polling.find, endpoint.id)
    if row is None:
        raise _not_polled()
    running = RunningPolls.of(svc)
    ended = None
    try:
        async with asyncio.timeout(WAIT_S):
            ended = await running.poll_now(WaitingPoll(endpoint.id, endpoint.project, row.host))
            if ended is None:
                raise _not_polled()
    except TimeoutError:
        pass
    return None if ended is None else ended.row, _now(svc, endpoint)


async def poll_if_due(svc: Services, endpoint: EndpointRef) -> tuple[PollRow | None, Now]:
    """Who made an endpoint or changed how it is polled made it due, and the loop may have polled it before he asks:
    then the row is that poll, and its source is not asked twice. Raises what `poll_now` does."""
    now = _now(svc, endpoint)
    if now.due_at is not None and now.due_at > svc.clock.now_ms():
        rows = await list_polls(svc, endpoint, TimelineSpan(), classes=None, changed=None, limit=1)
        if rows:
            return rows[0], now
    return await poll_now(svc, endpoint)


async def list_polls(
    svc: Services,
    endpoint: EndpointRef,
    span: TimelineSpan,
    *,
    classes: Sequence[str] | None,
    changed: bool | None,
    limit: int,
) -> list[PollRow]:
    """Up to `limit`, the newest first."""
    return await svc.db.read(store.page, endpoint.id, span, classes=classes, changed=changed, limit=limit)


async def summary(svc: Services, endpoint: EndpointRef, span: tuple[int, int], buckets: int) -> Summary:
    """Of the half-open span. Raises Conflict where it is not polled."""
    now = _now(svc, endpoint)
    return await svc.db.read(_summary, endpoint, now, span, buckets)


def _summary(tx: Tx, endpoint: EndpointRef, now: Now, span: tuple[int, int], most: int) -> Summary:
    is_few = store.count_up_to(tx, endpoint.id, span, most + 1) <= most
    width_ms = 1 if is_few else -(-(span[1] - span[0]) // most)
    found = store.buckets(tx, endpoint.id, span, width_ms)
    return Summary(now, store.classes(tx, endpoint.id, span), found)


def step_times(tx: Tx, endpoint: int, span: tuple[int, int], limit: int) -> dict[str, float]:
    """What each step of the newest polls took on average, in ms, of those that failed of nothing."""
    found = [msgspec.json.decode(text, type=list[tuple[str, float]]) for text in store.steps(tx, endpoint, span, limit)]
    times: dict[str, float] = {}
    for name, ms in (step for steps in found for step in steps if step[0] != CLOCK):
        times[name] = times.get(name, 0.0) + ms / len(found)
    return times


async def list_failing(svc: Services, project: int, limit: int) -> list[Failing]:
    """Up to `limit` endpoints whose source does not answer, retries included; those that fail longest first."""
    return await svc.db.read(_failing, project, limit)


def _failing(tx: Tx, project: int, limit: int) -> list[Failing]:
    found = []
    for row in polling.that_failed(tx, project):
        standing = polling.standing_of(row)
        state = state_of(polling.masked_settings(row), standing, tx.now_ms)
        if state in ("paused", "backing_off") and standing.failing_since is not None:
            found.append((standing.failing_since, row.endpoint, state))
    named = ((endpoints.by_row(tx, project, row), state, since) for since, row, state in sorted(found)[:limit])
    return [Failing(endpoint, state, since) for endpoint, state, since in named if endpoint is not None]


def _now(svc: Services, endpoint: EndpointRef) -> Now:
    row = svc.db.peek(polling.find, endpoint.id)
    if row is None:
        raise _not_polled()
    now_ms = svc.clock.now_ms()
    return Now(state_of(polling.masked_settings(row), polling.standing_of(row), now_ms), row.due_at)


def _not_polled() -> Conflict:
    return Conflict('this endpoint is not polled: PATCH it with {"polling": {"url": ..., "interval": "5m"}}')
