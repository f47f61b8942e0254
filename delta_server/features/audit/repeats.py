"""What happens again and again is one row with a count: a flood of failed logins does not fill the disk."""

from collections import Counter

import msgspec

from delta_server.core.actor import Actor
from delta_server.features.audit.actions import Action, Outcome

MOST = 30
"""Rows of one actor, action and outcome between two `take`s; what comes on top is counted together, whatever it was
about and from where."""


class Act(msgspec.Struct, frozen=True):
    """What was done. `project` is an id on the wire, `target` an id or a kind and an id, `detail` JSON."""

    account: int
    action: Action
    project: str | None = None
    target: str = ""
    name: str = ""
    outcome: Outcome = "ok"
    detail: str = "{}"


class Repeats:
    """Used on the event loop only."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[Actor, Act, str]] = Counter()
        self._kinds: Counter[tuple[Actor, Act]] = Counter()

    def is_first(self, actor: Actor, act: Act, alike: str = "") -> bool:
        """Whether it is to be recorded now; else it was counted. With another `alike` it is not the same."""
        once = Actor(actor.name, actor.address), act, alike
        together = Actor(actor.name), Act(act.account, act.action, act.project, outcome=act.outcome)
        if once in self._counts:
            self._counts[once] += 1
        elif self._kinds[together] >= MOST:
            self._counts[(*together, "")] += 1
        else:
            self._kinds[together] += 1
            self._counts[once] = 0
            return True
        return False

    def take(self) -> list[tuple[Actor, Act, int]]:
        """What was counted, and how often, since the last time."""
        counted = [(actor, act, count) for (actor, act, _), count in self._counts.items() if count]
        self._counts.clear()
        self._kinds.clear()
        return counted
