"""Whether the audit log is whole: each row is what was written, none is missing, and its end is the one signed."""

import asyncio
from collections.abc import Callable

import msgspec

from delta_server.core.audit_chain import Head, Row, first_fault, missing
from delta_server.features.audit import store
from delta_server.features.audit.signing import is_genuine, key_id
from delta_server.services import Services
from delta_server.storage import key_file
from delta_server.storage.database import Tx
from delta_server.storage.key_file import ServerKey

_ROWS = 1000
_BEGIN = -(1 << 63)


class AuditVerified(msgspec.Struct):
    """`broken` says what is wrong, `unknown` what cannot be known here."""

    rows: int = 0
    broken: list[str] = msgspec.field(default_factory=list)
    unknown: list[str] = msgspec.field(default_factory=list)


async def verify(svc: Services, account: int, report: Callable[[int, int], None]) -> AuditVerified:
    """Of one account; the first fault is the only one that can be named. Rows may be added and cut off meanwhile."""
    found = AuditVerified()
    after, before, read_up_to = 0, b"", _BEGIN
    while True:
        head, rows = await svc.db.read(_read, account, read_up_to)
        if head is None:
            found.broken.append("its end is not there, so neither may be its rows")
            return found
        if after < head.cut_seq or read_up_to == _BEGIN:
            after, before = head.cut_seq, head.cut_hash
        if fault := await svc.cpu(first_fault, after, before, rows):
            found.broken.append(fault)
            return found
        if rows:
            after, before, read_up_to = rows[-1].entry.seq, rows[-1].hash, rows[-1].entry.seq
        found.rows += len(rows)
        report(found.rows, max(found.rows, head.seq - head.cut_seq))
        if len(rows) < _ROWS:
            break
    if after < head.seq:
        found.broken.append(missing(after + 1, head.seq))
    elif (after, before) != (head.seq, head.hash):
        found.broken.append(f"it ends with row {after}, which is not where it was signed, row {head.seq}")
    if not found.broken:
        await asyncio.to_thread(_check_signature, svc, account, head, found)
    return found


def _read(tx: Tx, account: int, after: int) -> tuple[Head | None, list[Row]]:
    return store.head(tx, account), store.chain(tx, account, after=after, limit=_ROWS)


def _check_signature(svc: Services, account: int, head: Head, found: AuditVerified) -> None:
    data_dir = svc.config.storage.data_dir
    key = ServerKey(data_dir)
    known = key_id(key) if key_file.is_there(data_dir) else b""
    if not known or head.key_id != known:
        found.unknown.append(
            "its end is not signed with the delta.key that is here, as after a restore until something is recorded:"
            " that rows were cut off its end, or that it was made anew, would not be noticed"
        )
    elif not is_genuine(key, account, head):
        found.broken.append("its end is not what was signed")
