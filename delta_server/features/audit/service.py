"""The audit log: who did what, when, from where.

A change is recorded in its own transaction by `record`, or by `record_in` for one in a project: both are there, or
neither. What changes nothing (failed logins, exports, SQL) is recorded by `note`, in a write of its own, many alike as
one row. Neither passwords, tokens, keys nor contents of documents or events are recorded; of SQL its hash is.
"""

from collections.abc import AsyncGenerator, Mapping
from itertools import takewhile
from typing import Any

import msgspec
import structlog

from delta_server.core import audit_chain, ids
from delta_server.core.actor import SERVER, Actor
from delta_server.core.audit_chain import Entry, Head, Row
from delta_server.core.errors import Unavailable
from delta_server.features.audit import store
from delta_server.features.audit.actions import Action as Action
from delta_server.features.audit.actions import Outcome
from delta_server.features.audit.repeats import Act, Repeats
from delta_server.features.audit.signing import key_id, signed
from delta_server.features.audit.store import Filters as Filters
from delta_server.features.audit.verifying import AuditVerified as AuditVerified
from delta_server.features.audit.verifying import verify as verify
from delta_server.services import Services
from delta_server.storage.database import ACTING, Tx, frees_space

log = structlog.get_logger("delta.audit")

_STREAMED_ROWS = 500
_EXPIRED_AT_ONCE = 500
"""Rows, with five index entries each: 10 ms."""
_DAY_MS = 86_400_000


def record(
    tx: Tx,
    account: int,
    action: Action,
    *,
    project: int | None = None,
    target: str = "",
    name: str = "",
    detail: Mapping[str, Any] | None = None,
    actor: Actor | None = None,
) -> None:
    """Put it on record that `tx.actor` did `action` to `target`, which has the `name` now.

    `actor` is somebody else: who has only now shown who it is. Nothing may be given that is a secret.
    """
    uid = None if project is None else ids.text(store.tenant_of(tx, project)[1])
    _append(tx, actor or tx.actor, Act(account, action, uid, target, name, detail=_text(detail)))


def record_in(
    tx: Tx,
    project: int,
    action: Action,
    *,
    target: str = "",
    name: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """As `record`, for who knows only the project."""
    account, uid = store.tenant_of(tx, project)
    _append(tx, tx.actor, Act(account, action, ids.text(uid), target, name, detail=_text(detail)))


async def note(
    svc: Services, account: int, action: Action, *, target: str = "", outcome: Outcome = "ok", alike: str = ""
) -> None:
    """As `record`, of what writes nothing. `alike` tells apart what the log does not.

    The first time is on disk when this returns; more of the same until the next `write_repeats` are counted, and become
    one row. On a full disk, which can still be read from, the log of the server says what could not be recorded.
    """
    await _note(svc, Act(account, action, target=target, outcome=outcome), alike)


async def note_in(svc: Services, project: int, action: Action, *, target: str = "") -> None:
    """As `note`, for who knows only the project."""
    account, uid = svc.db.peek(store.tenant_of, project)
    await _note(svc, Act(account, action, ids.text(uid), target=target))


async def _note(svc: Services, act: Act, alike: str = "") -> None:
    if svc.state(Repeats).is_first(ACTING.get(), act, alike):
        await _write(svc, ACTING.get(), act, 1)


async def write_repeats(svc: Services) -> None:
    """Record what was counted since the last time."""
    for actor, act, count in svc.state(Repeats).take():
        await _write(svc, actor, act, count)


async def _write(svc: Services, actor: Actor, act: Act, repeats: int) -> None:
    try:
        await svc.db.write(_append, actor, act, repeats=repeats)
    except Unavailable as error:
        log.warning("not on record", action=act.action, actor=actor.name, repeats=repeats, reason=error.message)


def _append(tx: Tx, actor: Actor, act: Act, *, repeats: int = 1) -> None:
    head = store.head(tx, act.account) or Head()
    if head.seq and head.key_id != key_id(tx):  # of a restored backup, or the file was deleted
        head = _link(tx, head, SERVER, Act(act.account, "audit.key_change"), 1)
    head = _link(tx, head, actor, act, repeats)
    store.put_head(tx, act.account, signed(tx, act.account, head))


def _link(tx: Tx, head: Head, actor: Actor, act: Act, repeats: int) -> Head:
    """Where the chain ends with the new row."""
    entry = Entry(
        seq=head.seq + 1,
        at=tx.now_ms,
        actor=actor.name,
        address=actor.address,
        request_id=actor.request_id,
        action=act.action,
        project=act.project,
        target=act.target,
        name=act.name,
        outcome=act.outcome,
        repeats=repeats,
        detail=act.detail,
    )
    hash = audit_chain.link(head.hash, entry)
    store.insert(tx, act.account, entry, hash)
    return msgspec.structs.replace(head, seq=entry.seq, hash=hash)


def _text(detail: Mapping[str, Any] | None) -> str:
    return msgspec.json.encode(detail or {}).decode()


# Reading


def project_uid(svc: Services, project: int) -> str:
    """As rows name the project."""
    return ids.text(svc.db.peek(store.tenant_of, project)[1])


async def list_entries(
    svc: Services, account: int, filters: Filters, *, before: tuple[int, int] | None, limit: int
) -> list[Row]:
    """The newest first, those before the time and number `before`."""
    return await svc.db.read(store.page, account, filters, before=before, limit=limit)


async def newest(svc: Services, account: int, limit: int) -> list[Row]:
    """The last ones, in the order in which they were recorded."""
    return await svc.db.read(store.last, account, limit)


async def following(svc: Services, account: int, after: int, limit: int) -> list[Row]:
    """Those behind the row number `after`, in the order in which they were recorded."""
    return await svc.db.read(store.chain, account, after=after, limit=limit)


async def stream_entries(svc: Services, account: int, filters: Filters) -> AsyncGenerator[list[Row], None]:
    """All that match, in pieces, the newest first."""
    before = None
    while rows := await list_entries(svc, account, filters, before=before, limit=_STREAMED_ROWS):
        yield rows
        before = rows[-1].entry.at, rows[-1].entry.seq


def targets(tx: Tx, account: int, action: Action, limit: int) -> list[str]:
    """What `action` was done to, the newest first."""
    return [entry.target for entry in _done(tx, account, action, limit)]


def targets_in_projects(tx: Tx, account: int, action: Action, limit: int) -> list[tuple[str, str]]:
    """As `targets`, each with the project it was done in."""
    done = _done(tx, account, action, limit)
    return [(entry.project, entry.target) for entry in done if entry.project is not None]


def _done(tx: Tx, account: int, action: Action, limit: int) -> list[Entry]:
    rows = store.page(tx, account, Filters(0, 1 << 62, action=action), limit=limit)
    return [row.entry for row in rows if row.entry.outcome == "ok"]


# What is done in the background


async def begin(svc: Services) -> None:
    """The log of a database that had none begins: from its first row on its end is signed."""
    if svc.db.peek(store.not_begun):
        await svc.db.write(_begin)


def _begin(tx: Tx) -> None:
    for account in store.not_begun(tx):
        _append(tx, SERVER, Act(account, "audit.begin"))


async def expire(svc: Services) -> None:
    """Cut off the rows whose time has come."""
    days = svc.config.audit.retention_days
    for account in await svc.db.read(store.accounts) if days else ():
        while await svc.db.write(_expire, account, days):
            pass


@frees_space
def _expire(tx: Tx, account: int, days: int) -> bool:
    """False when no more are old. Damage is not cut off with what it is in: it could not be found any more."""
    head = store.head(tx, account) or Head()
    rows = store.chain(tx, account, after=head.cut_seq, limit=_EXPIRED_AT_ONCE)
    old = list(takewhile(lambda row: row.entry.at < tx.now_ms - days * _DAY_MS, rows))
    if not old:
        return False
    if fault := audit_chain.first_fault(head.cut_seq, head.cut_hash, old):
        log.error("the audit log is damaged and stays as it is", account=account, fault=fault)
        return False
    last = old[-1]
    store.remove(tx, account, up_to=last.entry.seq)
    store.put_head(tx, account, msgspec.structs.replace(head, cut_seq=last.entry.seq, cut_hash=last.hash))
    _append(tx, SERVER, Act(account, "audit.expire", detail=_text({"up_to": last.entry.seq, "rows": len(old)})))
    return len(old) == _EXPIRED_AT_ONCE
