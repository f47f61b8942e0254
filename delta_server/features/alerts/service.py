"""Rules of alerts: making, changing and listing them, and what they raised. trying.py tries them, judging.py judges."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET

from delta_server.core import ids, names, times
from delta_server.core.alerts import rules
from delta_server.core.alerts.judging import Memory
from delta_server.core.alerts.rules import Rule
from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict, Invalid, NotFound
from delta_server.features.accounts import service as accounts
from delta_server.features.alerts import checking, metrics, of_anomalies, schemas, seeding, store, watching
from delta_server.features.alerts.schemas import (
    AlertRule,
    AlertRuleAnswer,
    DigestAnswer,
    DigestLine,
    NewRule,
    RuleChange,
)
from delta_server.features.alerts.store import NewRow, RuleRow
from delta_server.features.anomalies import service as anomalies
from delta_server.features.audit import service as audit
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.webhooks import service as webhooks
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse

MOST_OF_PROJECT, MOST_OF_ENDPOINT, MOST_OF_EVENTS = 200, 20, 20
"""Rules; each judges every version of its endpoint."""
MOST_LINES = 500
LONGEST_MUTE_MS = 3660 * times.DAY_MS


async def create_rule(
    svc: Services, caller: Caller, project: int, new: NewRule, idempotency_key: IdempotencyKey
) -> StoredResponse:
    """Raises Invalid, NotFound for the endpoint, Forbidden, Conflict for too many."""
    checking.check_reads(caller, new.kind, of_events=new.endpoint is None)
    rule, name = checking.checked(new, svc.clock.now_ms()), names.check(new.name)
    muted_until = _muted_until(svc, new.muted_until)
    memory = await _seed(svc, project, new.endpoint, rule)

    def write(tx: Tx) -> StoredResponse:
        if answer := idempotency_key.replay(tx):
            return answer
        accounts.check_project(tx, project)
        endpoint = None if new.endpoint is None else endpoints.find(tx, project, new.endpoint)
        _check_room(tx, project, endpoint)
        row = store.insert_rule(
            tx,
            project,
            NewRow(
                endpoint=None if endpoint is None else (endpoint.id, endpoint.uid),
                name=name,
                settings=_text(_with_webhooks(tx, project, rule)),
                muted_until=muted_until,
                memory=_text(memory),
                judged=_begin(tx, project, endpoint, rule),
                due_at=_first_due(tx, rule),
            ),
        )
        if endpoint is not None:
            watching.begin(tx, endpoint)
            of_anomalies.watch(tx, project, endpoint.id)
        _record(tx, row, "alert_rule.create", {"kind": rule.kind})
        return idempotency_key.record(tx, 201, msgspec.json.encode(AlertRuleAnswer(_shown(tx, row))))

    answer = await svc.db.write(write)
    watching.changed(svc, project)
    return answer


async def list_rules(svc: Services, project: int) -> list[AlertRule]:
    return await svc.db.read(lambda tx: [_shown(tx, row) for row in store.rules_of_project(tx, project)])


def get_rule(svc: Services, project: int, text: str) -> AlertRule:
    """Raises NotFound."""
    return svc.db.peek(lambda tx: _shown(tx, find(tx, project, text)))


async def update_rule(svc: Services, caller: Caller, project: int, text: str, change: RuleChange) -> AlertRule:
    """Raises NotFound, Invalid, Forbidden."""
    muted_until = None if change.muted_until is UNSET else _muted_until(svc, change.muted_until)
    now = svc.db.peek(find, project, text)
    wanted = _changed(schemas.settings_of(now), change)
    begins = wanted.condition != schemas.settings_of(now).condition
    memory = await _seed(svc, project, _id(now), wanted) if begins else Memory()

    def write(tx: Tx) -> AlertRule:
        before = find(tx, project, text)
        old = schemas.settings_of(before)
        new = _with_webhooks(tx, project, _changed(old, change))
        of_events = before.endpoint is None
        checking.check_reads(caller, new.kind, of_events=of_events)
        if new.kind not in (rules.OF_EITHER if of_events else rules.OF_ENDPOINTS):
            raise Invalid("a rule stays with its endpoint, or with events: make another one", field="kind")
        checking.check_subject(new, of_events=of_events)
        store.update_rule(
            tx,
            project,
            before.id,
            name=before.name if change.name is UNSET else names.check(change.name),
            settings=_text(new),
            muted_until=before.muted_until if change.muted_until is UNSET else muted_until,
        )
        if new.condition != old.condition:
            store.clear_all(tx, project, before.id)
            endpoint = _ref(tx, before)
            judged, due_at = _begin(tx, project, endpoint, new), _first_due(tx, new)
            store.restart_rule(tx, project, before.id, memory=_text(memory), judged=judged, due_at=due_at)
            if endpoint is not None:
                watching.begin(tx, endpoint)
                of_anomalies.watch(tx, project, endpoint.id)
        changed = [_wire(name) for name in change.__struct_fields__ if getattr(change, name) is not UNSET]
        after = find(tx, project, text)
        _record(tx, after, "alert_rule.update", {"changed": changed})
        return _shown(tx, after)

    after = await svc.db.write(write)
    watching.changed(svc, project)
    return after


async def delete_rule(svc: Services, project: int, text: str) -> None:
    """With what it raised. Raises NotFound."""
    await svc.db.write(_delete, project, text)
    watching.changed(svc, project)


async def list_alerts(
    svc: Services, project: int, *, rule: str | None, is_raised: bool | None, below: int, limit: int
) -> tuple[list[tuple[int, schemas.Alert]], int]:
    """With their rows, what was raised last first; and how many of the project are raised. Raises NotFound."""

    def read(tx: Tx) -> tuple[list[tuple[int, schemas.Alert]], int]:
        of = None if rule is None else find(tx, project, rule).id
        rows = store.page(tx, project, rule=of, is_raised=is_raised, below=below, limit=limit)
        name_of = _names(tx, project)
        found = [(row.id, schemas.alert(row, name_of(row.endpoint_uid))) for row in rows]
        return found, store.count_raised(tx, project)

    return await svc.db.read(read)


async def get_digest(svc: Services, project: int) -> DigestAnswer:
    """What is still to be sent, what is due first before the others."""
    rows = await svc.db.read(store.notices, project, MOST_LINES)
    lines = [
        DigestLine(ids.text(row.alert_uid), row.what, row.text, row.is_held, times.format(row.due_at)) for row in rows
    ]
    return DigestAnswer(lines[0].at if lines else None, lines)


def find(tx: Tx, project: int, text: str) -> RuleRow:
    """Raises NotFound."""
    found = store.rule_by_uid(tx, project, ids.parse(text, "rule"))
    if found is None:
        raise NotFound("there is no such rule: GET /v1/alerts/rules lists them")
    return found


def delete_of_endpoint(tx: Tx, endpoint: int, limit: int) -> bool:
    """Of a deleted endpoint: a rule at a time; False when there are none."""
    is_some = store.delete_of_endpoint(tx, endpoint)
    watching.end_if_last(tx)
    return is_some


def delete_of_project(tx: Tx, project: int, limit: int) -> bool:
    """As `delete_of_endpoint`, of a project."""
    is_some = store.delete_of_project(tx, project)
    watching.end_if_last(tx)
    return is_some


def _changed(old: Rule, change: RuleChange) -> Rule:
    put = {name: getattr(change, name) for name in Rule.__struct_fields__ if getattr(change, name) is not UNSET}
    return rules.check(msgspec.structs.replace(old, **put))


def _with_webhooks(tx: Tx, project: int, rule: Rule) -> Rule:
    """With the ids of the webhooks that it tells. Raises Invalid."""
    return msgspec.structs.replace(rule, tell=webhooks.ids_of(tx, project, rule.tell, field="tell"))


def _check_room_of_events(tx: Tx, project: int) -> None:
    """Each asks the event log again and again."""
    if sum(row.endpoint is None for row in store.rules_of_project(tx, project)) >= MOST_OF_EVENTS:
        raise Conflict(f"the project has {MOST_OF_EVENTS} rules of events, which are as many as it may: delete one")


def _check_room(tx: Tx, project: int, endpoint: EndpointRef | None) -> None:
    if len(store.rules_of_project(tx, project)) >= MOST_OF_PROJECT:
        raise Conflict(f"the project has {MOST_OF_PROJECT} rules, which are as many as it may: delete one")
    if endpoint is None:
        _check_room_of_events(tx, project)
    elif len(store.rules_of_endpoint(tx, endpoint.id)) >= MOST_OF_ENDPOINT:
        raise Conflict(f"the endpoint has {MOST_OF_ENDPOINT} rules, which are as many as it may: delete one")


def _begin(tx: Tx, project: int, endpoint: EndpointRef | None, rule: Rule) -> tuple[int, int]:
    """The position behind which versions are judged: that of the newest, or before it where it says what holds now."""
    if rule.kind == "anomaly":
        return tx.now_ms, anomalies.newest_change(tx, project, None if endpoint is None else endpoint.id)
    if rule.kind in rules.OF_EVENTS:
        return metrics.last_end(rule, tx.now_ms), 0
    head = None if endpoint is None else contents.head(tx, endpoint.id)
    if head is None:
        return times.EARLIEST_MS, 0
    return (head.captured_at, head.id - 1 if rule.kind in rules.LASTING else head.id)


def _first_due(tx: Tx, rule: Rule) -> int | None:
    return None if rule.kind in rules.OF_VERSIONS else tx.now_ms


def _muted_until(svc: Services, text: str | None) -> int | None:
    if text is None:
        return None
    now_ms = svc.clock.now_ms()
    at_ms = times.parse(text, field="muted_until")
    if at_ms > now_ms + LONGEST_MUTE_MS:
        raise Invalid("muted_until must be within ten years", field="muted_until")
    return at_ms


async def _seed(svc: Services, project: int, endpoint: str | None, rule: Rule) -> Memory:
    """Raises NotFound."""
    of = project if endpoint is None else endpoints.resolve(svc, project, endpoint)
    return await seeding.seed(svc, of, rule)


def _id(row: RuleRow) -> str | None:
    return None if row.endpoint_uid is None else ids.text(row.endpoint_uid)


def _ref(tx: Tx, row: RuleRow) -> EndpointRef | None:
    return None if row.endpoint_uid is None else endpoints.find(tx, row.project, ids.text(row.endpoint_uid))


def _shown(tx: Tx, row: RuleRow) -> AlertRule:
    name = _names(tx, row.project)(row.endpoint_uid)
    return schemas.rule(row, name, store.raised_by_rule(tx, row.project, row.id), tx.now_ms)


def _names(tx: Tx, project: int) -> Callable[[bytes | None], str | None]:
    known: dict[bytes, str | None] = {}

    def name(uid: bytes | None) -> str | None:
        """None too for an endpoint in the bin."""
        if uid is not None and uid not in known:
            try:
                known[uid] = endpoints.find(tx, project, ids.text(uid)).name
            except NotFound:
                known[uid] = None
        return None if uid is None else known[uid]

    return name


@frees_space
def _delete(tx: Tx, project: int, text: str) -> None:
    found = find(tx, project, text)
    store.delete_rule(tx, project, found.id)
    watching.end_if_last(tx)
    if found.endpoint is not None:
        of_anomalies.watch(tx, project, found.endpoint)
    _record(tx, found, "alert_rule.delete", {})


def _record(tx: Tx, row: RuleRow, action: audit.Action, detail: dict[str, object]) -> None:
    audit.record_in(tx, row.project, action, target=f"alert_rule {ids.text(row.uid)}", name=row.name, detail=detail)


def _wire(name: str) -> str:
    return "for" if name == "length" else name


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
