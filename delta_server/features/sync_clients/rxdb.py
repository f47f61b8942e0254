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
from delta_server.core.sync.documents import Stored, of_members
from delta_server.core.sync.judging import DELETED, ENCRYPTED, JSON
from delta_server.features.sync import service as sync
from delta_server.features.sync.service import ChangeResult, Record, Translated, Wanted, Whose
from delta_server.services import Services

_FEW = 100

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
    make = _documents if len(page.changes) > _FEW else None
    documents = _documents(primary, page.changes) if make is None else await svc.spare_cpu(make, primary, page.changes)
    return documents, page.next_cursor


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
    threads, limit = svc.cpu_beside(len(body)), svc.config.sync.record_bytes
    rows = await threads(_rows, body, asked.primary)
    found = await sync.stored(svc, whose, {asked.data_type: [row.record_id for row in rows]})
    sent, conflicts = await threads(_judged, rows, found[asked.data_type], asked.primary, limit)
    if sent:
        request = blake2b(body, digest_size=16).digest()
        translated = Translated(
            changes={asked.data_type: sent}, request=request, device_id=asked.device_id, confirm=asked.confirm
        )
        results = (await sync.apply(svc, whose, translated))[asked.data_type]
        conflicts += [_met(asked.primary, result) for result in results if result.status == "conflict"]
    return conflicts


def _rows(body: bytes, primary: str) -> list[rxdb.Row]:
    json_text.check_document(body, "the body")
    return [rxdb.row(sent, primary, number) for number, sent in enumerate(rxdb.decode(body))]


def _judged(
    rows: Sequence[rxdb.Row], stored: Mapping[str, Stored], primary: str, limit_bytes: int
) -> tuple[list[Prepared], list[msgspec.Raw]]:
    """The changes to be made, and the documents that rows conflict with."""
    sent, conflicts = [], []
    unique = os.urandom(8).hex()
    for number, row in enumerate(rows):
        there = stored.get(row.record_id)
        becomes = rxdb.judge(row, there, primary)
        if becomes == "conflict" and there is not None:
            conflicts.append(rxdb.document(primary, row.record_id, there.kind, there.content))
        elif becomes == "change":
            content = None if row.new is None else of_members(row.new)
            base = None if there is None else there.seq
            sent.append(changes.made(f"{unique}-{number}", row.record_id, content, base, limit_bytes))
    return sent, conflicts


def _met(primary: str, result: ChangeResult) -> msgspec.Raw:
    if isinstance(result.server, Record):
        return _document(primary, result.server)
    return rxdb.document(primary, result.record_id, DELETED, None)
