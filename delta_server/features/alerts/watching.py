"""Which endpoints have rules, kept in memory for the loop that judges, and its place in the outbox.

The consumer is there while there are rules: without any, nothing is kept in the outbox for them.
"""

import msgspec

from delta_server.core import ids
from delta_server.features.alerts import store
from delta_server.features.endpoints.service import EndpointRef, NamedEndpoint
from delta_server.services import Services
from delta_server.storage import outbox
from delta_server.storage.database import Tx
from delta_server.tasks.signals import Signal

CONSUMER = "alerts"
RULE_CHANGED = "alert_rule.changed"
"""A happening that nobody else hears of: a rule of an endpoint is to be judged by the version in force."""


class RuleChanged(msgspec.Struct, frozen=True):
    endpoint: NamedEndpoint


class Watched:
    """Projects that have rules of endpoints, read again when rules came or went. Used on the event loop only."""

    def __init__(self) -> None:
        self._changed = Signal()
        self._read_at: int | None = None
        self._projects: frozenset[int] = frozenset()

    async def projects(self, svc: Services) -> frozenset[int]:
        if self._read_at != self._changed.count:
            read_at = self._changed.count
            has_any = svc.db.peek(store.any_rule)
            self._projects = await svc.db.read(store.projects_with_rules) if has_any else frozenset()
            self._read_at = read_at
        return self._projects

    def note_change(self) -> None:
        self._changed.notify()


def begin(tx: Tx, endpoint: EndpointRef) -> None:
    """From now on; a consumer that is there keeps its place."""
    outbox.subscribe(tx, CONSUMER)
    said = RuleChanged(NamedEndpoint(ids.text(endpoint.uid), endpoint.name))
    outbox.write(tx, endpoint.project, RULE_CHANGED, msgspec.json.encode(said).decode())


def end_if_last(tx: Tx) -> None:
    if not store.projects_with_rules(tx):
        outbox.unsubscribe(tx, CONSUMER)


def changed(svc: Services, project: int) -> None:
    """Rules came or went: after the commit."""
    svc.state(Watched).note_change()
    svc.topics.wake("happenings", project)
