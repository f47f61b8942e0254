"""Endpoints: the documents a project tracks. Wherever an endpoint is named, its id and its name both work."""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.config.plans import Plans
from delta_server.core import ids, names, times
from delta_server.core.binned import purge_at
from delta_server.core.caller import Caller
from delta_server.core.diff import diff_settings
from delta_server.core.diff.diff_settings import DiffSettings
from delta_server.core.errors import Conflict, NotFound
from delta_server.core.polling.settings import PollingChange
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.endpoints import schemas, settings, store
from delta_server.features.endpoints.schemas import EXAMPLE as EXAMPLE
from delta_server.features.endpoints.schemas import FIELDS as FIELDS
from delta_server.features.endpoints.schemas import DiffChange as DiffChange
from delta_server.features.endpoints.schemas import EndpointAnswer, NewEndpoint
from delta_server.features.endpoints.schemas import EndpointChange as EndpointChange
from delta_server.features.endpoints.schemas import Retention as Retention
from delta_server.features.endpoints.schemas import RetentionChange as RetentionChange
from delta_server.features.endpoints.store import Endpoint
from delta_server.features.endpoints.store import EndpointWithHead as EndpointWithHead
from delta_server.features.endpoints.store import content_deltas as content_deltas
from delta_server.features.endpoints.store import counted_deltas as counted_deltas
from delta_server.features.endpoints.store import counted_from as counted_from
from delta_server.features.endpoints.store import is_counted as is_counted
from delta_server.features.endpoints.store import lives_are_whole as lives_are_whole
from delta_server.features.endpoints.store import next_uncounted as next_uncounted
from delta_server.features.endpoints.store import rows_after as rows_after
from delta_server.features.endpoints.store import settings_version as settings_version
from delta_server.features.endpoints.store import uncounted_before as uncounted_before
from delta_server.features.polling import service as polling
from delta_server.features.projects import service as projects
from delta_server.features.usage import service as usage
from delta_server.features.usage.service import ONE_ENDPOINT, Allowance
from delta_server.services import Services
from delta_server.storage import outbox
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse
from delta_server.storage.vault import Vault

EndpointView: TypeAlias = schemas.Endpoint
"""An endpoint as it is on the wire."""

NOW_MS = 10_000
"""A time so little before now was now when it was asked for."""


class EndpointRef(msgspec.Struct, frozen=True):
    """What other features know of an endpoint. `id` is the row, `uid` the id on the wire."""

    id: int
    uid: bytes
    project: int
    name: str
    diff: DiffSettings
    diff_version: int
    retention: Retention


class NamedEndpoint(msgspec.Struct, frozen=True):
    """What followers of a project hear of one."""

    id: str
    name: str


def resolve(svc: Services, project: int, text: str) -> EndpointRef:
    """The endpoint by id or name. Raises NotFound, for another tenant's too."""
    return svc.db.peek(find, project, text)


def resolve_or_name(svc: Services, project: int, text: str) -> EndpointRef | str:
    """The endpoint by id or name; of one that is not there yet the name to `ensure` it under in a write.

    Raises NotFound for an unknown id, Invalid for what cannot be a name.
    """
    return svc.db.peek(find_or_name, project, text)


def find_or_name(tx: Tx, project: int, text: str) -> EndpointRef | str:
    """As `resolve_or_name`, within a transaction."""
    found = _look_up(tx, project, text)
    return _name(text) if found is None else _ref(found)


def find(tx: Tx, project: int, text: str) -> EndpointRef:
    """As `resolve`, within a transaction."""
    return _ref(_found(tx, project, text))


def by_row(tx: Tx, project: int, endpoint: int) -> EndpointRef | None:
    """None where it lies in the bin."""
    found = store.by_row(tx, project, endpoint)
    return None if found is None else _ref(found)


def ensure(tx: Tx, project: int, text: str, allowance: Allowance | None = None) -> EndpointRef:
    """The endpoint by id or name, made with default settings when no endpoint has the name.

    For write transactions. What requests make asks the project's `allowance`, what commands make nobody. Raises
    NotFound for an unknown id, Invalid for what cannot be a name, QuotaExceeded.
    """
    accounts.check_project(tx, project)
    found = _look_up(tx, project, text)
    if found is not None:
        return _ref(found)
    name = _name(text)
    if allowance is not None:
        allowance.take(ONE_ENDPOINT)
    made = store.insert_endpoint(tx, project, name=name)
    _tell(tx, "endpoint.created", made)
    return _ref(made)


def confirm(tx: Tx, endpoint: EndpointRef) -> None:
    """For writes below an endpoint resolved earlier: raises NotFound when it or its project has been deleted since."""
    accounts.check_project(tx, endpoint.project)
    if not store.exists(tx, endpoint.project, endpoint.id):
        raise _not_found()


async def create_endpoint(
    svc: Services, caller: Caller, new: NewEndpoint, idempotency_key: IdempotencyKey
) -> StoredResponse:
    """Raises Invalid for the name or the settings, Conflict when the project has an endpoint of that name, Forbidden
    for another project than the key's, and for an account's key without any, QuotaExceeded."""
    answer, project = await svc.db.write(_create_endpoint, caller, new, svc.config.plans, svc.vault, idempotency_key)
    if project is not None:
        svc.topics.wake("happenings", project)
        svc.topics.wake("polls")
    return answer


def get_endpoint(svc: Services, project: int, text: str) -> EndpointWithHead:
    """The endpoint by id or name, as it is shown. Raises NotFound."""
    return svc.db.peek(_find_shown, project, text)


async def list_deleted(
    svc: Services, project: int, *, prefix: str, before: tuple[int, int] | None, limit: int
) -> list[EndpointWithHead]:
    """Those in the bin, what was deleted last first, before (deleted_at, row)."""
    return await svc.db.read(
        store.bin_page, project, names=names.page_range(prefix, None), before=before or (1 << 62, 0), limit=limit
    )


def page(tx: Tx, project: int, *, prefix: str, after: str | None, limit: int) -> list[EndpointWithHead]:
    """By name, those that begin with `prefix`, after the name `after`."""
    return store.page(tx, project, names=names.page_range(prefix, after), limit=limit)


def all_of_project(tx: Tx, project: int, prefix: str = "") -> list[EndpointWithHead]:
    """As `page`, all of them."""
    return page(tx, project, prefix=prefix, after=None, limit=-1)


async def update_endpoint(svc: Services, project: int, text: str, change: EndpointChange) -> EndpointWithHead:
    """Raises NotFound, Invalid, Conflict when the new name is taken, QuotaExceeded for one more that is polled."""
    before, after = await svc.db.write(_update_endpoint, project, text, change, svc.config.plans, svc.vault)
    if before.endpoint.diff_version != after.endpoint.diff_version:
        svc.topics.wake("contents")
    svc.topics.wake("happenings", project)
    svc.topics.wake("polls")
    return after


async def delete_endpoint(svc: Services, project: int, text: str, *, purge: bool = False) -> None:
    """From now on it is not found and its name is free. With `purge`, which takes what lies in the bin too, it cannot
    be restored, and its data is swept in the background. Raises NotFound, Conflict as `restore_endpoint`."""
    await svc.db.write(_delete_endpoint, project, text, days=svc.config.storage.bin_days, purge=purge)
    svc.topics.wake("happenings", project)


async def restore_endpoint(svc: Services, project: int, text: str, name: str | None) -> EndpointWithHead:
    """Take it out of the bin, as it was, under another name where `name` says one. Raises NotFound, Invalid,
    QuotaExceeded, and Conflict for a name that is taken by now or that several in the bin have."""
    restored = await svc.db.write(_restore_endpoint, project, text, name, svc.config.plans)
    svc.topics.wake("contents")
    svc.topics.wake("happenings", project)
    svc.topics.wake("polls")
    return restored


def view(shown: EndpointWithHead) -> EndpointView:
    """As it is on the wire."""
    return schemas.endpoint(shown, *settings.decoded(shown.endpoint.diff, shown.endpoint.retention))


def _look_up(tx: Tx, project: int, text: str) -> Endpoint | None:
    uid = ids.try_parse(text)
    return store.by_name(tx, project, names.normal(text)) if uid is None else store.by_uid(tx, project, uid)


def _found(tx: Tx, project: int, text: str) -> Endpoint:
    found = _look_up(tx, project, text)
    if found is None:
        raise _not_found()
    return found


def _name(text: str) -> str:
    if ids.try_parse(text) is not None:
        raise _not_found()
    return names.check(text, field="endpoint")


def with_polling(tx: Tx, project: int, shown: Sequence[EndpointWithHead]) -> list[EndpointWithHead]:
    """Each with how it is polled, where it is."""
    polled = polling.shown(tx, project, [one.endpoint.id for one in shown])
    return [msgspec.structs.replace(one, polling=polled.get(one.endpoint.id)) for one in shown]


def _find_shown(tx: Tx, project: int, text: str) -> EndpointWithHead:
    return with_polling(tx, project, [store.with_head(tx, _found(tx, project, text))])[0]


def _not_found() -> NotFound:
    return NotFound("there is no such endpoint: GET /v1/endpoints lists them")


def _create_endpoint(
    tx: Tx, caller: Caller, new: NewEndpoint, plans: Plans, vault: Vault, idempotency_key: IdempotencyKey
) -> tuple[StoredResponse, int | None]:
    """The answer, and the project in which something was made."""
    if answer := idempotency_key.replay(tx):
        return answer, None
    project = (caller if new.project_id is None else projects.narrowed(tx, caller, new.project_id)).project
    if project is None:
        raise caller.without_project()
    accounts.check_project(tx, project)
    name = _free_name(tx, project, new.name)
    usage.allowance(tx, plans, project).take(ONE_ENDPOINT)
    made = store.insert_endpoint(
        tx,
        project,
        name=name,
        description=names.check_description(new.description),
        diff=settings.diff_text(new.diff or DiffSettings()),
        retention=settings.encoded(new.retention or Retention()).decode(),
    )
    _tell(tx, "endpoint.created", made)
    if new.polling is not None:
        _change_polling(tx, made, new.polling, plans, vault)
    [shown] = with_polling(tx, project, [EndpointWithHead(made, None)])
    return idempotency_key.record(tx, 201, msgspec.json.encode(EndpointAnswer(view(shown)))), project


def _change_polling(tx: Tx, endpoint: Endpoint, wanted: PollingChange | None, plans: Plans, vault: Vault) -> bool:
    """Whether that made a difference. Raises Invalid, QuotaExceeded."""
    was_active = polling.is_active(tx, endpoint.id)
    is_changed = polling.change(tx, endpoint.project, endpoint.id, endpoint.uid, wanted, vault)
    if not was_active and polling.is_active(tx, endpoint.id):
        usage.check_polls(tx, plans, endpoint.project)
    return is_changed


def _update_endpoint(
    tx: Tx, project: int, text: str, change: EndpointChange, plans: Plans, vault: Vault
) -> tuple[EndpointWithHead, EndpointWithHead]:
    """The endpoint before and after."""
    shown = _find_shown(tx, project, text)
    before = shown.endpoint
    name, description = before.name, before.description
    if change.name is not UNSET and names.check(change.name) != name:
        name = _free_name(tx, project, change.name)
    if change.description is not UNSET:
        description = names.check_description(change.description or "")
    diff = settings.diff_text(settings.merged(before.diff, change.diff, DiffSettings))
    retention = settings.encoded(settings.merged(before.retention, change.retention, Retention)).decode()
    polls_otherwise = change.polling is not UNSET and _change_polling(tx, before, change.polling, plans, vault)
    stays = (name, description, diff, retention) == (before.name, before.description, before.diff, before.retention)
    if stays and not polls_otherwise:
        return shown, shown
    store.update_endpoint(tx, project, before.id, name=name, description=description, retention=retention)
    if diff != before.diff:
        is_recomputed = settings.compared_by(diff) != settings.compared_by(before.diff)
        store.update_diff(tx, project, before.id, diff, recompute=is_recomputed)
    after = _find_shown(tx, project, ids.text(before.uid))
    _tell(tx, "endpoint.updated", after.endpoint)
    changed = [
        field for field in ("name", "description", "diff", "retention") if _differ(before, after.endpoint, field)
    ]
    changed += ["polling"] if polls_otherwise else []
    audit.record_in(
        tx, project, "endpoint.update", target=_target(before), name=before.name, detail={"changed": changed}
    )
    return shown, after


def _differ(before: Endpoint, after: Endpoint, field: str) -> bool:
    return bool(getattr(before, field) != getattr(after, field))


def _target(endpoint: Endpoint) -> str:
    return f"endpoint {ids.text(endpoint.uid)}"


def _tell(tx: Tx, kind: str, endpoint: Endpoint) -> None:
    """Write it to the outbox; who follows the project is woken when it is committed."""
    body = {"endpoint": NamedEndpoint(ids.text(endpoint.uid), endpoint.name)}
    outbox.write(tx, endpoint.project, kind, msgspec.json.encode(body).decode())


def changed_diff(endpoint: EndpointRef, change: DiffChange | UnsetType | None) -> DiffSettings:
    """The endpoint's settings with those of the change put in. Raises Invalid, naming every wrong part."""
    found = settings.merged(settings.encoded(endpoint.diff).decode(), change, DiffSettings)
    diff_settings.validate(found)
    return found


def changed_retention(endpoint: EndpointRef, change: RetentionChange | UnsetType | None) -> Retention:
    return settings.merged(settings.encoded(endpoint.retention).decode(), change, Retention)


@frees_space
def _delete_endpoint(tx: Tx, project: int, text: str, *, days: int, purge: bool) -> None:
    found = _look_up(tx, project, text)
    if found is None:
        if not purge:
            raise _not_found()
        _purge(tx, _in_bin(tx, project, text))
        return
    until_ms = purge_at(tx.now_ms, days, at_once=purge)
    store.mark_deleted(tx, project, found.id, purge_at=until_ms)
    polling.suspend(tx, found.id)
    _tell(tx, "endpoint.deleted", found)
    detail = {"restorable_until": None if until_ms is None else times.format(until_ms)}
    audit.record_in(tx, project, "endpoint.delete", target=_target(found), name=found.name, detail=detail)


@frees_space
def purge_due(tx: Tx, limit: int) -> None:
    """Those whose time in the bin has ended."""
    for endpoint in store.due(tx, limit):
        _purge(tx, endpoint)


def _purge(tx: Tx, endpoint: Endpoint) -> None:
    store.purge(tx, endpoint.project, endpoint.id)
    audit.record_in(tx, endpoint.project, "endpoint.purge", target=_target(endpoint), name=endpoint.name)


def _in_bin(tx: Tx, project: int, text: str) -> Endpoint:
    """By id, or by a name that no other in the bin has. Raises NotFound, Conflict."""
    uid = ids.try_parse(text)
    if uid is None:
        found = store.binned_by_name(tx, project, names.normal(text))
    else:
        found = [one] if (one := store.binned_by_uid(tx, project, uid)) else []
    if not found:
        raise NotFound("there is no such endpoint in the bin: GET /v1/endpoints?deleted=true lists them")
    if len(found) > 1:
        raise Conflict("several endpoints of this name lie in the bin: say which by its id", field="endpoint")
    return found[0]


def _restore_endpoint(tx: Tx, project: int, text: str, name: str | None, plans: Plans) -> EndpointWithHead:
    accounts.check_project(tx, project)
    found = _in_bin(tx, project, text)
    wanted = found.name if name is None else names.check(name)
    if store.by_name(tx, project, wanted):
        raise Conflict(
            f"there is an endpoint named {wanted} by now: restore this one under another name, by ?name=", field="name"
        )
    usage.allowance(tx, plans, project).take(ONE_ENDPOINT)
    store.restore(tx, project, found.id, name=wanted)
    polling.resume(tx, found.id)
    usage.check_polls(tx, plans, project)
    restored = _find_shown(tx, project, ids.text(found.uid))
    _tell(tx, "endpoint.restored", restored.endpoint)
    detail = {"restored_as": wanted}
    audit.record_in(tx, project, "endpoint.restore", target=_target(found), name=found.name, detail=detail)
    return restored


def _free_name(tx: Tx, project: int, text: str) -> str:
    name = names.check(text)
    if store.by_name(tx, project, name):
        raise Conflict(f"there is an endpoint named {name} already", field="name")
    return name


def _ref(row: Endpoint) -> EndpointRef:
    diff, retention = settings.decoded(row.diff, row.retention)
    return EndpointRef(row.id, row.uid, row.project, row.name, diff, row.diff_version, retention)


def moment(svc: Services, endpoint: EndpointRef, time_ms: int) -> int:
    """Up to when snapshots are in force at a time. What came while the clock was ahead is in force now all the same."""
    now_ms = svc.clock.now_ms()
    is_now = time_ms >= now_ms - NOW_MS
    return times.LATEST_MS if is_now and svc.db.peek(store.came_ahead, endpoint.id, now_ms) else time_ms
