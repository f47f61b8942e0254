"""Open streams: answers that stay open and follow what happens in one project."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from delta_server.core.errors import Unavailable
from delta_server.tasks.shared import RequestCoalescer
from delta_server.tasks.topics import Topic, Topics

T = TypeVar("T")

CLOSE_GRACE_S = 0.3
"""How long answers may take to end when the server goes down. A client that does not read keeps its answer from it."""
PROJECT_SHARE = 32
"""Steps of streams that are kept for those that come to them next."""
SHARED_BYTES = 16 << 20
"""What they may take together: one is of some hundred kB, and of 12 MB where somebody sent much at once."""
SMALL_STEP = 32
"""Things to send that take no turn of their own."""
FOLLOWED: tuple[Topic, ...] = ("events", "happenings", "sync")
"""What streams may wait for."""


class OpenStreams:
    """Used on the event loop only. A project may have half of the `most` streams that may be open at once."""

    def __init__(self, most: int, topics: Topics) -> None:
        self._most = most
        self._topics = topics
        self.open_of: Counter[int] = Counter()
        self.stopping = False
        self.shared: RequestCoalescer[Any] = RequestCoalescer(PROJECT_SHARE, most_bytes=SHARED_BYTES)
        """What several streams are about to send."""
        self._one_a_turn = asyncio.Lock()
        self._aborts: set[Callable[[], None]] = set()

    @property
    def open(self) -> int:
        return self.open_of.total()

    def check_access(self) -> None:
        """A key was revoked or a project deleted: every stream is to look whether it may go on."""
        for topic in FOLLOWED:
            self._topics.wake_all(topic)

    def check_room(self, project: int) -> None:
        """Raise Unavailable when as many streams are open as may be."""
        if self.open >= self._most:
            raise Unavailable("too many streams are open: try again later", retry_after_s=30)
        if self.open_of[project] >= max(1, self._most // 2):
            raise Unavailable("too many streams of this project are open: close one", retry_after_s=30)

    @contextmanager
    def reading(self, project: int, abort: Callable[[], None] | None = None) -> Iterator[None]:
        """Count as an open stream of the project; `abort` closes the stream's connection."""
        self.open_of[project] += 1
        aborts = set() if abort is None else {abort}
        self._aborts |= aborts
        try:
            yield
        finally:
            self.open_of -= Counter({project: 1})
            self._aborts -= aborts

    async def step(self, things: int, work: Callable[[], T]) -> T:
        """`work`'s result, which a stream makes of so many things to send. All streams of a project hear of the same at
        the same moment, and all would do it in one turn of the event loop: where it is much, each turn has one of them,
        and whatever else has come."""
        if things <= SMALL_STEP:
            return work()
        async with self._one_a_turn:
            result = work()
            await asyncio.sleep(0)
            return result

    def stop(self) -> None:
        """End all streams, after LEAVE_S those whose clients do not read: the server goes down."""
        self.stopping = True
        self.check_access()
        asyncio.get_running_loop().call_later(CLOSE_GRACE_S, self._abort)

    def _abort(self) -> None:
        for abort in list(self._aborts):
            abort()
