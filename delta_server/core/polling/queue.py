"""Which poll is next: the projects take turns, a host is asked one request at a time, and so many run at once in all.

The project that has the fewest running comes first, and has at most three quarters of the places, however much of it
waits: the first poll of another begins at once. Of a project the hosts take turns, of a host what was due first comes
first.
"""

from collections import Counter, OrderedDict, deque

import msgspec


class WaitingPoll(msgspec.Struct, frozen=True):
    endpoint: int
    project: int
    host: str


class PollQueue:
    def __init__(self, places: int) -> None:
        self._places = places
        self._share = max(1, places * 3 // 4)
        self._waiting: OrderedDict[int, OrderedDict[str, deque[WaitingPoll]]] = OrderedDict()
        self._running: dict[int, WaitingPoll] = {}
        self._asked: dict[str, WaitingPoll] = {}
        self._of_project: Counter[int] = Counter()
        self._known: set[int] = set()
        self._of_host: Counter[str] = Counter()

    def full_hosts(self, most: int) -> list[str]:
        """Those that so many wait for."""
        return [host for host, count in self._of_host.items() if count >= most]

    @property
    def running(self) -> int:
        return len(self._running)

    def is_awaited(self, host: str) -> bool:
        """Whether others wait for it."""
        return self._of_host[host] > 0

    def add(self, poll: WaitingPoll, *, first: bool = False) -> None:
        """Once for each endpoint: one that waits or runs is not added again. `first`: before others of its host."""
        if poll.endpoint in self._known:
            return
        self._known.add(poll.endpoint)
        self._of_host[poll.host] += 1
        hosts = self._waiting.setdefault(poll.project, OrderedDict())
        waiting = hosts.setdefault(poll.host, deque())
        if first:
            waiting.appendleft(poll)
        else:
            waiting.append(poll)

    def take(self) -> WaitingPoll | None:
        """The next that may begin; `end` is called when it has ended."""
        if len(self._running) >= self._places:
            return None
        for project in sorted(self._waiting, key=self._of_project.__getitem__):
            if self._of_project[project] >= self._share:
                return None
            host = next((host for host in self._waiting[project] if host not in self._asked), None)
            if host is not None:
                return self._begin(project, host)
        return None

    def answered(self, poll: WaitingPoll) -> None:
        """Its host may be asked by others. The poll has its place until it ends."""
        if self._asked.get(poll.host) is poll:
            del self._asked[poll.host]

    def end(self, poll: WaitingPoll) -> None:
        self.answered(poll)
        del self._running[poll.endpoint]
        self._known.discard(poll.endpoint)
        self._of_project -= Counter({poll.project: 1})

    def _begin(self, project: int, host: str) -> WaitingPoll:
        hosts = self._waiting[project]
        poll = hosts[host].popleft()
        hosts.move_to_end(host)
        self._waiting.move_to_end(project)
        if not hosts[host]:
            del hosts[host]
        if not hosts:
            del self._waiting[project]
        self._running[poll.endpoint] = poll
        self._asked[host] = poll
        self._of_host -= Counter({host: 1})
        self._of_project[project] += 1
        return poll
