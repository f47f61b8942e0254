"""RxDB's replication: documents are pulled in the order of the space, and pushed on the state they were made on.

A push that comes again after a lost answer needs no memory of it: what is there already is a success. An answer kept by
what was sent would be wrong, since turning a switch on, off and on again sends the same twice.
"""

import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.json import json_text
from delta_server.core.sync import changes, rxdb
from delta_server.core.sync.changes import Prepared
from delta_server.core.sync.documents import Stored, of_members, size_of
from delta_server.core.sync.judging import DELETED, ENCRYPTED, JSON
from delta_server.features.sync import service as sync
from delta_server.features.sync.service import Record, Translated, Wanted, Whose
from delta_server.services import Services

_FEW, _SMALL_BYTES = 100, 1 << 18
"""Records that are made documents where they are, in 2 ms."""

RESYNC = b'data: "RESYNC"\n\n'


class AskedPush(msgspec.Struct, frozen=True):
    """Of a push, besides its rows."""

    data_type: str
    primary: str
    device_id: str | None = None
    confirm: str | None = None


async def pull(
    svc: Services, whose: Whose, data_type: str, primary: str, wanted: Wanted
) -> tuple[list[msgspec.Raw], str]:
    """A page's documents, and the cursor behind it. RxDB takes a page that is short for the last, and drops what the
    stream said before it asked for that page. Raises as `sync.pull`, and Invalid."""
    page = await sync.pull(svc, whose, data_type, msgspec.structs.replace(wanted, past_window=True))
    if page.has_more and len(page.changes) < wanted.limit:
        raise Invalid(
            f"{wanted.limit} documents are too large for one page: set batchSize to {len(page.changes)}", field="limit"
        )
    if len(page.changes) <= _FEW and sum(map(_size_of, page.changes)) <= _SMALL_BYTES:
        return _documents(primary, page.changes), page.next_cursor
    return await svc.spare_cpu(_documents, primary, page.changes), page.next_cursor


def _size_of(record: Record) -> int:
    content = record.encrypted if record.data is msgspec.UNSET else record.data
    return 0 if content is msgspec.UNSET else len(content)


def _documents(primary: str, records: Sequence[Record]) -> list[msgspec.Raw]:
    return [_document(primary, record) for record in records]


def _document(primary: str, record: Record) -> msgspec.Raw:
    if isinstance(record.data, msgspec.Raw):
        return rxdb.document(primary, record.record_id, JSON, bytes(record.data))
    if isinstance(record.encrypted, bytes):
        return rxdb.document(primary, record.record_id, ENCRYPTED, record.encrypted)
    return rxdb.document(primary, record.record_id, DELETED, None)


async def push(svc: Services, whose: Whose, asked: AskedPush, body: bytes) -> list[msgspec.Raw]:
    """What the server holds where a row was made on something else. Raises BadRequest, Invalid, Refused,
    QuotaExceeded."""
    sync.count_push(svc, whose)
    rows = await svc.cpu_beside(len(body))(_rows, body, asked.primary)
    found = (await sync.stored(svc, whose, {asked.data_type: [row.record_id for row in rows]}))[asked.data_type]
    threads, limit = svc.cpu_beside(len(body) + size_of(found)), svc.config.sync.record_bytes
    sent, conflicts = await threads(_judged, rows, found, asked.primary, limit)
    changes.require_bytes(sent)
    if sent:
        request = blake2b(body, digest_size=16).digest()
        translated = Translated(
            changes={asked.data_type: sent}, request=request, device_id=asked.device_id, confirm=asked.confirm
        )
        results = (await sync.apply(svc, whose, translated))[asked.data_type]
        met = [result.record_id for result in results if result.status == "conflict"]
        conflicts |= await _as_they_are(svc, whose, asked, met)
    return list(conflicts.values())


async def _as_they_are(
    svc: Services, whose: Whose, asked: AskedPush, record_ids: Sequence[str]
) -> dict[str, msgspec.Raw]:
    """Records that have changed since they were looked at, by their ids."""
    if not record_ids:
        return {}
    there = (await sync.stored(svc, whose, {asked.data_type: record_ids}))[asked.data_type]
    gone = Stored(0, DELETED)
    found = {record_id: there.get(record_id, gone) for record_id in record_ids}
    return {id: rxdb.document(asked.primary, id, each.kind, each.content) for id, each in found.items()}


def _rows(body: bytes, primary: str) -> list[rxdb.Row]:
    json_text.check_document(body, "the body")
    rows = [rxdb.row(sent, primary, number) for number, sent in enumerate(rxdb.decode(body))]
    if len({row.record_id for row in rows}) != len(rows):
        raise Invalid("an id stands in it twice", field=primary)
    return rows


def _judged(
    rows: Sequence[rxdb.Row], stored: Mapping[str, Stored], primary: str, limit_bytes: int
) -> tuple[list[Prepared], dict[str, msgspec.Raw]]:
    """The changes to be made, and by ids the documents that rows conflict with."""
    sent: list[Prepared] = []
    conflicts: dict[str, msgspec.Raw] = {}
    unique = os.urandom(8).hex()
    for number, row in enumerate(rows):
        there = stored.get(row.record_id)
        becomes = rxdb.judge(row, there, primary)
        if becomes == "conflict" and there is not None:
            conflicts[row.record_id] = rxdb.document(primary, row.record_id, there.kind, there.content)
        elif becomes == "change":
            content = None if row.new is None else of_members(row.new)
            base = None if there is None else there.seq
            sent.append(changes.made(f"{unique}-{number}", row.record_id, content, base, limit_bytes))
    return sent, conflicts
