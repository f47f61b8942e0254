"""The polls that run, and those that wait for their turn: of the loop, and of callers who want one now."""

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING

import structlog

from delta_server.core.errors import DeltaError
from delta_server.core.polling.queue import PollQueue, WaitingPoll
from delta_server.features.polling import service as polling
from delta_server.services import Services
from delta_server.storage.sqlite.transaction import shutting_down

if TYPE_CHECKING:
    from delta_server.features.polls.ends import Ended, Ends
    from delta_server.features.polls.one_poll import Starts

READ_AT_ONCE = 1_000
PEEKED_AT_ONCE = 64
"""So many are read on the event loop, in 0.1 ms: on a thread of readers that takes three times as long."""
LOOKED_UP_TOGETHER = 16
"""Endpoints whose polls begin: 1 ms on the event loop."""
WAITING_FOR_A_HOST = 20
"""What is read ahead of what is due: more of a host waits in the database."""
HELD_S = 60.0
"""So long an endpoint is left alone whose outcome could not be written: it would be due again at once."""

log = structlog.get_logger("delta.polls")


class RunningPolls:
    """Of one server. Used on the event loop only."""

    def __init__(self, svc: Services) -> None:
        self._svc = svc
        self._queue = PollQueue(svc.config.polling.concurrent)
        self._results: dict[int, asyncio.Future[Ended | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: dict[int, float] = {}
        self._jump_ms, self._jump_told = 0, set[int]()
        self._ends: Ends | None = None
        self.wakes_at_ms = 0
        """When the loop looks next; 0 while there is none."""

    @classmethod
    def of(cls, svc: Services) -> "RunningPolls":
        return svc.state(cls, lambda: cls(svc))

    @property
    def is_looping(self) -> bool:
        return self.wakes_at_ms > 0

    async def poll_now(self, poll: WaitingPoll) -> "Ended | None":
        """The outcome of the poll that runs or waits, or of one that is begun. It goes on when nobody waits any
        more."""
        result = self._results.get(poll.endpoint)
        if result is None:
            result = self._results[poll.endpoint] = asyncio.get_running_loop().create_future()
            self._held.pop(poll.endpoint, None)
            self._queue.add(poll, first=True)
            self._begin()
        return await asyncio.shield(result)

    async def begin_due(self) -> int | None:
        """Begin what is due, or have it wait; when more is due, None for nothing."""
        now_ms = self._svc.clock.now_ms()
        if self._svc.db.is_full():
            return None
        full_hosts = self._queue.full_hosts(WAITING_FOR_A_HOST)
        found = self._svc.db.peek(polling.due, now_ms, full_hosts, PEEKED_AT_ONCE)
        if len(found) == PEEKED_AT_ONCE:
            found = await self._svc.db.read(polling.due, now_ms, full_hosts, READ_AT_ONCE)
        now_s = asyncio.get_running_loop().time()
        self._held = {endpoint: until for endpoint, until in self._held.items() if until > now_s}
        for due in found:
            if due.endpoint not in self._held:
                self._queue.add(WaitingPoll(due.endpoint, due.project, due.host))
        self._begin()
        return self._svc.db.peek(polling.next_due, now_ms)

    def note_jump(self, jump_ms: int) -> None:
        """The clock was set by so much: the next poll of each endpoint says so."""
        self._jump_ms, self._jump_told = jump_ms, set()

    async def ended(self) -> None:
        """When nothing runs or waits."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Break off what runs: it is due again at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._ends is not None:
            await self._ends.close()
        for result in self._results.values():
            if not result.done():
                result.set_exception(shutting_down())
                result.exception()  # where nobody waits for it
        self._results.clear()

    def _begin(self) -> None:
        polls = list(iter(self._queue.take, None))
        if not polls:
            return
        # Not before: a server that polls nothing does without the client and the formats.
        from delta_server.features.polls import ends, one_poll

        if self._ends is None:
            self._ends = ends.Ends(self._svc, lambda: self._queue.running)
        for begin in range(0, len(polls), LOOKED_UP_TOGETHER):
            some = polls[begin : begin + LOOKED_UP_TOGETHER]
            starts = one_poll.Starts(self._svc, [poll.endpoint for poll in some])
            for poll in some:
                # A context of its own: it is nobody's request.
                task = asyncio.get_running_loop().create_task(self._run(poll, starts, self._ends), context=Context())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _run(self, poll: WaitingPoll, starts: "Starts", ends: "Ends") -> None:
        from delta_server.features.polls import one_poll

        ended: Ended | Exception | None = None
        try:
            jump_ms = 0 if poll.endpoint in self._jump_told else self._jump_ms
            ended = await one_poll.poll(
                self._svc,
                poll.endpoint,
                starts,
                ends,
                answered=lambda: self._answered(poll),
                is_awaited=lambda: self._queue.is_awaited(poll.host),
                asked_for=poll.endpoint in self._results,
                jump_ms=jump_ms,
            )
            if jump_ms and ended is not None:
                self._jump_told.add(poll.endpoint)
        except Exception as error:
            reason = {"reason": error.message} if isinstance(error, DeltaError) else {"exc_info": error}
            log.error("the outcome of a poll could not be recorded", endpoint=poll.endpoint, **reason)
            self._held[poll.endpoint] = asyncio.get_running_loop().time() + HELD_S
            ended = error
        finally:
            self._queue.end(poll)
        self._answer(poll.endpoint, ended)
        if isinstance(ended, tuple) and ended.due_at is not None and ended.due_at < self.wakes_at_ms:
            self._svc.topics.wake("polls")
        self._begin()

    def _answered(self, poll: WaitingPoll) -> None:
        self._queue.answered(poll)
        if self._queue.is_awaited(poll.host):
            self._begin()

    def _answer(self, endpoint: int, ended: "Ended | Exception | None") -> None:
        result = self._results.pop(endpoint, None)
        if result is None or result.done():
            return
        if isinstance(ended, Exception):
            result.set_exception(ended)
            result.exception()  # where nobody waits for it
        else:
            result.set_result(ended)
