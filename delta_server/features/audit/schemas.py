"""The audit log on the wire."""

from typing import Any, Literal

import msgspec

from delta_server.core import times
from delta_server.core.audit_chain import Entry, Row
from delta_server.core.errors import DatabaseFailed

Form = Literal["json", "csv", "ndjson"]
MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}


class AuditEntry(msgspec.Struct, frozen=True):
    seq: int
    at: str
    actor: str
    address: str
    request_id: str
    action: str
    project_id: str | None
    target: str
    name: str
    outcome: str
    repeats: int
    detail: dict[str, Any]
    hash: str


COLUMNS = AuditEntry.__struct_fields__


def entry(row: Row) -> AuditEntry:
    """Raises DatabaseFailed for one that somebody else wrote."""
    one = row.entry
    return AuditEntry(
        seq=one.seq,
        at=times.format(one.at),
        actor=one.actor,
        address=one.address,
        request_id=one.request_id,
        action=one.action,
        project_id=one.project,
        target=one.target,
        name=one.name,
        outcome=one.outcome,
        repeats=one.repeats,
        detail=_detail(one),
        hash=row.hash.hex(),
    )


def _detail(entry: Entry) -> dict[str, Any]:
    try:
        return msgspec.json.decode(entry.detail, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise DatabaseFailed(f"row {entry.seq} of the audit log is damaged: see `delta-server verify`") from None


EXAMPLE = {
    "seq": 4711,
    "at": "2026-05-08T10:00:00.000Z",
    "actor": "user 01890a5d-ac96-774b-bcce-b302099a8059",
    "address": "203.0.113.7",
    "request_id": "01890a5d-ac96-774b-bcce-b302099a805a",
    "action": "key.revoke",
    "project_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "target": "key 9mXk2VbTq0a",
    "name": "web shop",
    "outcome": "ok",
    "repeats": 1,
    "detail": {},
    "hash": "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
}

FIELDS = {
    "AuditEntry.seq": "Its number in the account's log, from 1 without a gap",
    "AuditEntry.at": "When it was done",
    "AuditEntry.actor": "Who did it: `user ID`, `key ID`, `command line`, `server`, or `nobody` who is known",
    "AuditEntry.address": "The client's address; empty where there is none",
    "AuditEntry.request_id": "The request's X-Request-Id; empty where there is none",
    "AuditEntry.action": "What was done",
    "AuditEntry.project_id": "The project it was done in; null for what is about the account",
    "AuditEntry.target": "What it was done to: a kind and an id",
    "AuditEntry.name": "The name or e-mail address that the target had then",
    "AuditEntry.outcome": "`ok` or `failed`",
    "AuditEntry.repeats": "How often, where many alike are one entry",
    "AuditEntry.detail": "What else there is to say, by the action",
    "AuditEntry.hash": "SHA-256 over the entry and the hash of the one before it",
}
