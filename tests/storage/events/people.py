"""Whose an event is, told in plain loops: the reference of core/events/persons.py and
storage/events/query/person_joins.py."""

from typing import Any

import msgspec

from delta_server.core.events.event import Event
from delta_server.core.events.persons import identifies
from delta_server.core.events.profile_update import Alias
from delta_server.core.query.plan import AllOf, AnyOf, Condition, Filter, Negation, OfPerson


class People:
    def __init__(self) -> None:
        self.links: dict[tuple[bool, str], tuple[str, int]] = {}

    def told(self, call: Alias) -> None:
        for anonymous in (True,) if call.anonymous else (False, True):
            if anonymous or call.name != call.of:
                self._give((anonymous, call.name), call.of, call.at)

    def _give(self, node: tuple[bool, str], of: str, at: int) -> None:
        before = self.links.get(node)
        given_to = {each for each, _ in self.links.values()}
        if before is not None and (before[1] <= at or (not node[0] and node[1] in given_to)):
            return
        if not node[0] and self.user(of) == node[1]:
            return
        self.links[node] = (of, at)

    def user(self, name: str) -> str:
        while (False, name) in self.links:
            name = self.links[False, name][0]
        return name

    def whose(self, event: Event) -> str | None:
        if event.user_id is not None and identifies(event.user_id):
            return self.user(event.user_id)
        if event.anonymous_id is None or not identifies(event.anonymous_id):
            return None
        link = self.links.get((True, event.anonymous_id))
        return self.user(link[0]) if link else event.anonymous_id

    def resolved(self, plan: Any) -> Any:
        """The plan with filters of users as filters of all ids of theirs."""
        changes = {
            name: self._filter(getattr(plan, name)) for name in ("where", "start", "again") if hasattr(plan, name)
        }
        if hasattr(plan, "steps"):
            changes["steps"] = tuple(msgspec.structs.replace(s, where=self._filter(s.where)) for s in plan.steps)
        return msgspec.structs.replace(plan, **changes)

    def _filter(self, where: Filter | None) -> Any:
        match where:
            case AllOf(parts):
                return AllOf(tuple(map(self._filter, parts)))
            case AnyOf(parts):
                return AnyOf(tuple(map(self._filter, parts)))
            case Negation(part):
                return Negation(self._filter(part))
            case Condition("is" | "is_not" as op, field, values) if field.column == "user_id":
                persons = {self.user(str(value)) for value in values}
                linked = {node for node in self.links if self.user(self.links[node][0]) in persons}
                users = {*map(str, values), *persons, *(name for anonymous, name in linked if not anonymous)}
                own = {name for name in persons if identifies(name) and (True, name) not in self.links}
                of = OfPerson(tuple(users), (*own, *(name for anonymous, name in linked if anonymous)))
                return of if op == "is" else Negation(of)
        return where
