"""What waits for one webhook, sent lane by lane.

A lane is an endpoint: its deliveries are sent one after the other, and where one fails for the receiver's sake those
behind it wait for its next attempt. Lanes are sent side by side, so many at once as have arrived before: a receiver
that is slow to begin with gets few, and one that fails gets one delivery at a time, a probe, after a pause that grows.
When a probe arrives, all that failed is tried again, whatever its next attempt was to be.

What was sent is put on record behind it, not before the next is sent: after a crash some of a lane are sent again, in
their order.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Literal, TypeAlias

import msgspec
import structlog

from delta_server.core.errors import Invalid
from delta_server.core.webhooks import masking
from delta_server.core.webhooks.schedule import MOST_RETRY_AFTER_S
from delta_server.egress.dialing import RequestFailed
from delta_server.egress.kept_alive import Connections
from delta_server.features.webhooks import (
    attempts,
    mailing,
    notifying,
    requests,
    rights,
    schemas,
    service,
    store,
    subscriptions,
    targets,
)
from delta_server.features.webhooks.attempts import Attempt
from delta_server.features.webhooks.recording import Recorder
from delta_server.features.webhooks.requests import Place
from delta_server.features.webhooks.schemas import Settings
from delta_server.features.webhooks.slots import Slots
from delta_server.features.webhooks.store import Delivery, Webhook
from delta_server.features.webhooks.targets import Target
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.vault import Vault
from delta_server.tasks.signals import Signal

LANES_AT_ONCE = 64
ROWS_OF_LANE = 32
WIDEST = 16
"""Deliveries to one webhook at once."""
FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 5_000, 300_000
CHECKED_EVERY_S = 1.0
"""Whether who answers for it still may."""
LOOK_AGAIN_S = 60.0
AFTER_ALL_MS = 1000 * MOST_RETRY_AFTER_S * 2
"""A time further ahead was given by a clock that has been set back since: it is due."""
YIELD_S, QUIET_S = 0.02, 0.05
"""While callers wait, a delivery begins so often at most, one of all webhooks: they keep nine tenths of the server."""
_BEFORE_ALL_LANES = -(1 << 63)

Lane: TypeAlias = list[Delivery]

log = structlog.get_logger("delta.webhooks")


class Shared(msgspec.Struct, frozen=True):
    """What all channels have."""

    svc: Services
    vault: Vault
    connections: Connections
    recorder: Recorder
    slots: Slots
    probes: Slots
    turn: asyncio.Lock
    """In which deliveries let callers pass."""


class _Open(msgspec.Struct, frozen=True):
    """The webhook as it is now."""

    row: Webhook
    settings: Settings
    target: Target
    hidden: list[str]
    place: Place


class _Look(msgspec.Struct, frozen=True):
    """Lanes with what may be sent of them, behind which lane to go on, when more will be due."""

    lanes: list[Lane]
    last: int
    due_at: int | None


class Channel:
    def __init__(self, shared: Shared, webhook: int) -> None:
        self._shared = shared
        self._svc = shared.svc
        self._webhook = webhook
        self._changed = Signal()
        self._lanes: deque[Lane] = deque()
        self._busy: dict[int, int] = {}
        """Lanes that are being sent, with how often the channel had been woken when they were read."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: _Open | None = None
        self._checked_at = float("-inf")
        self._width = 1
        self._failures = 0
        self._pause_until = 0
        self._recovered_at = 0
        self._last_lane = _BEFORE_ALL_LANES
        self._woken, self._looked, self._pass_woken = 1, 0, 0
        self._due_at: int | None = None
        self._pass_due_at: int | None = None

    @property
    def was_woken(self) -> bool:
        return self._woken != self._looked

    def wake(self, *, now: bool = False) -> None:
        """There is something new to send. `now`: pauses after failures end."""
        self._woken += 1
        if now:
            self._pause_until = 0
        self._changed.notify()

    async def run(self) -> None:
        """Until nothing waits any more, or nothing may be sent."""
        try:
            while True:
                seen = self._changed.count
                while not self._lanes and len(self._tasks) < self._width and self._may_look():
                    if await self._check() != "ok":
                        return
                    if await self._look():
                        break
                self._begin_lanes()
                if not self._tasks and not self._lanes and not self.was_woken and self._due_at is None:
                    return
                await self._changed.wait(self._wait_s(), since=seen)
        finally:
            await self._stop()

    # What there is to send

    def _may_look(self) -> bool:
        now_ms = self._svc.clock.now_ms()
        if self._failures and (self._tasks or now_ms < self._pause_until):
            return False
        return self.was_woken or (self._due_at is not None and self._due_at <= now_ms)

    def _wait_s(self) -> float:
        now_ms = self._svc.clock.now_ms()
        if self._failures and self._pause_until > now_ms and not self._tasks:
            return min(LOOK_AGAIN_S, (self._pause_until - now_ms) / 1000)
        return LOOK_AGAIN_S if self._due_at is None else min(LOOK_AGAIN_S, max(0.05, (self._due_at - now_ms) / 1000))

    async def _look(self) -> bool:
        """Read more lanes; whether that was the end of a pass through all of them."""
        if self._last_lane == _BEFORE_ALL_LANES:
            self._pass_woken, self._pass_due_at = self._woken, None
        woken = self._woken
        look = await self._svc.db.read(
            _read, self._webhook, after=self._last_lane, busy=frozenset(self._busy), recovered_at=self._recovered_at
        )
        self._lanes.extend(look.lanes)
        self._busy |= {lane[0].lane: woken for lane in look.lanes}
        self._last_lane = look.last
        self._pass_due_at = _earlier(self._pass_due_at, look.due_at)
        is_end = look.last == _BEFORE_ALL_LANES
        if is_end:
            self._looked, self._due_at = self._pass_woken, self._pass_due_at
        return is_end

    def _begin_lanes(self) -> None:
        """As many as may be sent at once; while it fails one, and only after the pause."""
        while self._lanes and len(self._tasks) < self._width:
            if self._failures and self._svc.clock.now_ms() < self._pause_until:
                return
            task = asyncio.create_task(self._send_lane(self._lanes.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("deliveries were not put on record", webhook=self._webhook, reason=str(error))
            self._fail(FIRST_PAUSE_MS)
        self._changed.notify()

    # Sending

    async def _send_lane(self, lane: Lane) -> None:
        recorded: list[asyncio.Future[None]] = []
        goes_on = True
        try:
            for delivery in lane:
                if not goes_on or (opened := self._open) is None:
                    break
                slots = self._shared.probes if self._failures else self._shared.slots
                async with slots.held(opened.row.project):
                    async with self._shared.turn:
                        await self._svc.foreground.yield_until_quiet(quiet_s=QUIET_S, most_s=YIELD_S)
                    if await self._check() != "ok":
                        break
                    attempt = await self._attempt(opened, delivery)
                sent = attempts.after(delivery, attempt, opened.settings.retries_s, self._svc.clock.now_ms())
                recorded.append(self._shared.recorder.add(sent))
                goes_on = self._learn(attempt, sent.progress.due_at)
        finally:
            try:
                await asyncio.gather(*recorded)
            finally:
                if self._busy.pop(lane[0].lane) != self._woken or len(lane) == ROWS_OF_LANE or not goes_on:
                    self._woken += 1  # there may be more in it

    async def _attempt(self, opened: _Open, delivery: Delivery) -> Attempt:
        began_ms = self._svc.clock.now_ms()
        began_s = asyncio.get_running_loop().time()

        def took_ms() -> int:
            return round(1000 * (asyncio.get_running_loop().time() - began_s))

        try:
            if opened.settings.format == "email":
                failure = await mailing.send(self._svc, opened.row.project, opened.settings, delivery, opened.place)
                return Attempt(began_ms, took_ms(), failure=failure)
            if opened.settings.format == "apprise":
                failure = await notifying.send(self._svc, opened.settings, opened.target, delivery, opened.place)
                return Attempt(began_ms, took_ms(), failure=failure)
            build = partial(requests.build, opened.settings, opened.target, delivery, opened.place, now_ms=began_ms)
            request = await self._svc.cpu(build) if opened.settings.format == "template" else build()
            reply = await self._shared.connections.send(
                request.method, request.url, request.headers, request.body, seconds=opened.settings.timeout_s
            )
        except RequestFailed as failed:
            log.info("not delivered", webhook=self._webhook, reason=failed.reason)
            return Attempt(began_ms, took_ms(), failure=failed.reason)
        except Invalid:
            return Attempt(began_ms, took_ms(), failure="template")
        excerpt = masking.excerpt(reply.body, opened.hidden) if reply.body else ""
        return attempts.classified(reply.status, reply.headers, excerpt, began_ms=began_ms, took_ms=took_ms())

    def _learn(self, attempt: Attempt, due_at: int) -> bool:
        """Whether the lane goes on."""
        if attempt.failure is None:
            if self._failures:
                self._failures, self._recovered_at = 0, self._svc.clock.now_ms()
                self._woken += 1
            self._width = min(WIDEST, 2 * self._width)
            return True
        if not attempt.holds_up:
            return True
        self._fail(max(FIRST_PAUSE_MS // 10, due_at - self._svc.clock.now_ms()))
        return False

    def _fail(self, longest_ms: int) -> None:
        self._width = 1
        if self._failures and self._svc.clock.now_ms() < self._pause_until:
            return  # of several that were sent at once, the first one has said it
        self._failures += 1
        pause_ms = min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS << min(self._failures - 1, 10), longest_ms)
        self._pause_until = self._svc.clock.now_ms() + pause_ms

    # Whether it may be sent to

    async def _check(self) -> Literal["ok", "off"]:
        """Reads the webhook again when some time has passed, turns it off when who answers for it may not have it."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._checked_at < CHECKED_EVERY_S and self._open is not None:
            return "ok"
        row, verdict, project = self._svc.db.peek(_read_webhook, self._webhook)
        if row is not None and row.off_because is None and verdict == "rights":
            await self._svc.db.write(service.turn_off, row, "rights")
            subscriptions.changed(self._svc)
            self._svc.topics.wake("happenings", row.project)
            self._svc.topics.wake("jobs")
        if row is None or row.off_because is not None or verdict != "ok":
            self._open = None
            return "off"
        self._checked_at = now_s
        if self._open is None or self._open.row.updated_at != row.updated_at or self._open.row.target != row.target:
            target = targets.unseal(self._shared.vault, row.uid, row.target)
            if target is None:
                log.error("a webhook's address was sealed with another delta.key", webhook=self._webhook)
                self._open = None
                return "off"
            place = Place(self._svc.config.server.public_url, project)
            self._open = _Open(row, schemas.settings_of(row), target, target.hidden(), place)
        return "ok"

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


def _read_webhook(tx: Tx, webhook: int) -> tuple[Webhook | None, str, str]:
    """With whether it may be sent to, and the name of its project."""
    row = store.by_row(tx, webhook)
    return (None, "off", "") if row is None else (row, rights.verdict(tx, row), rights.project_name(tx, row))


def _read(tx: Tx, webhook: int, *, after: int, busy: frozenset[int], recovered_at: int) -> _Look:
    """Up to LANES_AT_ONCE lanes behind `after`; `last` is before all lanes when that was the end."""
    found: list[Lane] = []
    due_at: int | None = None
    numbers = store.lanes(tx, webhook, after=after, limit=LANES_AT_ONCE + len(busy))
    for number in numbers:
        if number in busy:
            continue
        lane, next_due = _due(store.waiting_in(tx, webhook, number, ROWS_OF_LANE), tx.now_ms, recovered_at)
        if lane:
            found.append(lane)
        due_at = _earlier(due_at, next_due)
    is_end = len(numbers) < LANES_AT_ONCE + len(busy)
    return _Look(found, _BEFORE_ALL_LANES if is_end else numbers[-1], due_at)


def _due(waiting: Lane, now_ms: int, recovered_at: int) -> tuple[Lane, int | None]:
    """Those of a lane that may be sent now, in their order, and when the first other one is due."""
    found: Lane = []
    due_at: int | None = None
    for delivery in waiting:
        if delivery.due_at <= now_ms or delivery.due_at > now_ms + AFTER_ALL_MS:
            found.append(delivery)
            continue
        last = attempts.of(delivery)[-1:]
        holds_up = any(attempt.holds_up for attempt in last)
        if holds_up and last[0].at < recovered_at:
            found.append(delivery)
            continue
        due_at = _earlier(due_at, delivery.due_at)
        if holds_up:
            break
    return found, due_at


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((at for at in (one, other) if at is not None), default=None)
