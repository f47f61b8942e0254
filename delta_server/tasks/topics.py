"""A signal per topic and project, or space of one: who waits for one project's events is not woken by another's."""

from typing import Literal, TypeAlias
from weakref import WeakValueDictionary

from delta_server.tasks.signals import Signal

Topic = Literal["contents", "events", "happenings", "jobs", "polls", "sync"]
"""`contents` were added or removed, so deltas are to be computed; `events` came in; `happenings` were written to the
outbox; `jobs` were asked for; `polls` may be due earlier than before; `sync` records of a space have changed."""

Of: TypeAlias = int | tuple[int, str]
"""A project, or one of its spaces of synced records, by its owner."""

EVERY_PROJECT = 0
"""No project has this number: the topic of those who look at all projects."""


class Topics:
    """Used on the event loop only. Waking a topic that nobody waits for costs a look into a dictionary."""

    def __init__(self) -> None:
        self._signals: WeakValueDictionary[tuple[Topic, Of], Signal] = WeakValueDictionary()

    def signal(self, topic: Topic, of: Of = EVERY_PROJECT) -> Signal:
        """It lives as long as somebody holds it: hold it from before looking until the wait is over."""
        return self._signals.setdefault((topic, of), Signal())

    def wake(self, topic: Topic, of: Of = EVERY_PROJECT) -> None:
        """After the commit, never before: whoever wakes looks into the database. Those who look at all projects are
        woken too."""
        for key in {(topic, of), (topic, EVERY_PROJECT)}:
            if (signal := self._signals.get(key)) is not None:
                signal.notify()

    def wake_all(self, topic: Topic) -> None:
        """Those who wait for any project's."""
        for (other, _), signal in list(self._signals.items()):
            if other == topic:
                signal.notify()
