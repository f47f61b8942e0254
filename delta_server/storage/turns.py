"""A few places for work that callers wait for, shared fairly between projects."""

import asyncio
import time
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Set

from delta_server.core.errors import RateLimited, Unavailable
from delta_server.storage.recent_use import RecentUse

WAITING_OF_ONE = 32
"""Calls of one project that may wait for a place; the first of each kind always may."""
LATELY_S = 2.0
"""Who has called since then shares the places with the others who have."""
SHORT_S = 0.1
"""What has run for longer is followed by a pause, while others call who have used less."""
PAUSES = 2.0
"""So many times as long: a project computes in several places at once, and writes."""
LONGEST_PAUSE_S = 4.0


class Callers:
    """The projects that have called lately. Used on one event loop."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._called_at: OrderedDict[int, float] = OrderedDict()

    def note(self, project: int) -> None:
        """It calls now: the last of them."""
        self._called_at[project] = self._now_s()
        self._called_at.move_to_end(project)

    def count(self) -> int:
        return len(self.lately())

    def lately(self) -> Set[int]:
        while self._called_at and next(iter(self._called_at.values())) < self._now_s() - LATELY_S:
            self._called_at.popitem(last=False)
        return self._called_at.keys()


class _Waiting:
    """The calls of one project that wait: kinds take turns, within one they are in the order of asking."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def may_join(self, kind: str) -> bool:
        return len(self) < WAITING_OF_ONE or kind not in self._kinds

    def join(self, kind: str, place: asyncio.Future[None]) -> None:
        self._kinds.setdefault(kind, deque()).append(place)

    def next(self) -> asyncio.Future[None]:
        """Take out the one whose turn it is; the others of its kind go behind the other kinds."""
        kind = next(iter(self._kinds))
        place = self._kinds[kind][0]
        self.drop(kind, place)
        if kind in self._kinds:
            self._kinds.move_to_end(kind)
        return place

    def drop(self, kind: str, place: asyncio.Future[None]) -> None:
        self._kinds[kind].remove(place)
        if not self._kinds[kind]:
            del self._kinds[kind]


class Turns:
    """Places are given project by project, within one kind by kind (what takes seconds, asked for again and again, does
    not keep the rest from its turn), within a kind in the order of asking. Used on one event loop.

    One project has at most all places but one, however many are free: the first call of another finds a place at once.
    While others call too it has its share, and when it has used more than they its places rest for twice as long as
    they were in use: what it runs slows what the others do elsewhere.
    """

    def __init__(
        self,
        places: int,
        *,
        short_s: float = SHORT_S,
        callers: Callers | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`callers` are those of the whole server, for whose sake a place rests."""
        self._places = places
        self._short_s = short_s
        self._now_s = now_s
        self._callers = Callers(now_s)
        self._all_callers = callers or self._callers
        self._taken: Counter[int] = Counter()
        self._use = RecentUse(now_s)
        self._began_at: defaultdict[int, deque[float]] = defaultdict(deque)
        """Of the places that are taken, when that was."""
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()

    async def take(self, project: int, *, seconds: float, kind: str = "", has_begun: bool = False) -> None:
        """Wait for a place, which must be given back. Raises RateLimited when too many calls of the project wait, but
        not for what `has_begun`, and Unavailable when no place became free in time."""
        self._callers.note(project)
        if not self._waiting and self._has_place(project):
            self._take(project)
            return
        queue = self._waiting.setdefault(project, _Waiting())
        if not has_begun and not queue.may_join(kind):
            raise RateLimited(f"{WAITING_OF_ONE} requests of this project wait already: try again when one has ended")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.join(kind, place)
        self._give()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(place)
        except BaseException as error:
            self._leave(project, kind, place)
            if isinstance(error, TimeoutError):
                raise Unavailable("too many queries wait: try again later", retry_after_s=2) from None
            raise

    def have_others_called(self, project: int) -> bool:
        """Here or elsewhere, lately."""
        return bool((self._callers.lately() | self._all_callers.lately()) - {project})

    def is_behind(self, project: int) -> bool:
        """Others call, and have used less for what takes long."""
        callers = max(self._callers.count(), self._all_callers.count())
        return callers > 1 and self._use.is_more_than_share(project, sharers=callers)

    def give_back(self, project: int, *, may_rest: bool = True) -> None:
        """`may_rest`: what ran in the place slowed what others do elsewhere."""
        used_s = self._now_s() - self._began_at[project].popleft()
        self._use.add(project, max(0.0, used_s - self._short_s))
        if may_rest and used_s > self._short_s and self.is_behind(project):
            asyncio.get_running_loop().call_later(min(PAUSES * used_s, LONGEST_PAUSE_S), self._free, project)
        else:
            self._free(project)

    def _take(self, project: int) -> None:
        self._taken[project] += 1
        self._began_at[project].append(self._now_s())

    def _free(self, project: int) -> None:
        self._taken -= Counter({project: 1})
        if not self._taken[project]:
            del self._began_at[project]
        self._give()

    def _share(self) -> int:
        """How many places one project may have now. Who waits for one calls, however long ago it came."""
        sharers = {*self._callers.lately(), *self._taken, *self._waiting}
        return max(1, min(self._places - 1, self._places // max(1, len(sharers))))

    def _has_place(self, project: int) -> bool:
        return self._taken.total() < self._places and self._taken[project] < self._share()

    def _leave(self, project: int, kind: str, place: asyncio.Future[None]) -> None:
        if place.done():
            self.give_back(project)
            return
        place.cancel()
        self._waiting[project].drop(kind, place)
        if not self._waiting[project]:
            del self._waiting[project]

    def _give(self) -> None:
        """Give the places that are free to those who wait; who gets one goes behind the other projects."""
        given = True
        while given:
            given = False
            for project, queue in list(self._waiting.items()):
                if self._has_place(project):
                    place = queue.next()
                    if queue:
                        self._waiting.move_to_end(project)
                    else:
                        del self._waiting[project]
                    self._take(project)
                    place.set_result(None)
                    given = True
