"""WatermelonDB's synchronize(): all tables at once, pulled up to a timestamp and pushed on it."""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from hashlib import blake2b

import msgspec

from delta_server.core.errors import Refused
from delta_server.core.json import json_text
from delta_server.core.sync import changes, documents, watermelon
from delta_server.core.sync.changes import Prepared
from delta_server.core.sync.documents import Stored
from delta_server.core.sync.judging import DELETED
from delta_server.core.sync.watermelon import Change, Migration
from delta_server.features.sync import service as sync
from delta_server.features.sync.service import Frozen, Translated, Whose
from delta_server.services import Services

_SHOWN = 100
"""Ids of changed rows that a refusal names."""


class AskedPull(msgspec.Struct, frozen=True):
    """`tables` None are all data types of the space."""

    last_pulled_at: int | None = None
    migration: Migration | None = None
    tables: Sequence[str] | None = None


class _Table(msgspec.Struct, frozen=True):
    """What a client wants of it: rows above `after`, deletions above `deleted_after`."""

    name: str
    collection: int | None
    after: int
    deleted_after: int


class Pull(msgspec.Struct, frozen=True):
    frozen: Frozen
    tables: Sequence[_Table]
    timestamp: int
    is_whole: bool


async def begin(svc: Services, whose: Whose, asked: AskedPull) -> Pull:
    """What a pull is to bring. Raises RateLimited, TooLarge."""
    sync.count_pull(svc, whose)
    frozen = await sync.freeze(svc, whose)
    after = watermelon.seq_of(asked.last_pulled_at or 0, frozen.epoch, frozen.space)
    is_whole = after is None or after > frozen.until
    is_whole = is_whole or any(0 < (after or 0) < collection.horizon for collection in frozen.collections)
    begins = 0 if after is None or is_whole else after
    anew = asked.migration.names() if asked.migration is not None else set()
    known = {collection.data_type: collection.id for collection in frozen.collections}
    names = list(known) if asked.tables is None else asked.tables
    tables = [
        _Table(name, known.get(name), 0 if name in anew else begins, begins or frozen.until) for name in names
    ]  # who begins with nothing has nothing to delete
    number = watermelon.number_of(frozen.epoch, frozen.space)
    return Pull(frozen, tables, watermelon.timestamp(number, frozen.until), is_whole)


async def pieces(svc: Services, pull: Pull) -> AsyncGenerator[bytes, None]:
    """The answer, in pieces."""
    yield b'{"changes":{'
    for number, table in enumerate(pull.tables):
        yield b"%b%b:" % (b"," if number else b"", msgspec.json.encode(table.name)) + b'{"created":[],"updated":['
        deleted: list[str] = []
        is_first = True
        if table.collection is not None:
            async for page in sync.pages(svc, pull.frozen, table.collection, min(table.after, table.deleted_after)):
                deleted += [row.record_id for row in page if row.kind == DELETED and row.seq > table.deleted_after]
                living = [(row.record_id, row.kind, row.content or b"") for row in page if row.kind != DELETED]
                if living:
                    yield (b"" if is_first else b",") + await svc.spare_cpu(_rows, living)
                    is_first = False
        yield b'],"deleted":%b}' % msgspec.json.encode(deleted)
    strategy = b',"experimentalStrategy":"replacement"' if pull.is_whole else b""
    yield b'},"timestamp":%d%b}' % (pull.timestamp, strategy)


def _rows(living: Sequence[tuple[str, int, bytes]]) -> bytes:
    return b",".join(watermelon.row(record_id, kind, content) for record_id, kind, content in living)


async def push(svc: Services, whose: Whose, body: bytes, *, device_id: str | None, confirm: str | None) -> int:
    """All of it or nothing; how many rows came. Raises BadRequest, Invalid, Refused, QuotaExceeded."""
    sync.count_push(svc, whose)
    sent, last_pulled_at = await svc.cpu_beside(len(body))(_sent, body)
    frozen = await sync.freeze(svc, whose)
    after = watermelon.seq_of(last_pulled_at, frozen.epoch, frozen.space) or 0
    rows = {table: [change.record_id for change in of if change.row is not None] for table, of in sent.items()}
    deletions = {table: [change.record_id for change in of if change.row is None] for table, of in sent.items()}
    found = await sync.stored(svc, whose, rows, bare=deletions)
    count = sum(map(len, sent.values()))
    size, limit = len(body) + sum(map(documents.size_of, found.values())), svc.config.sync.record_bytes
    prepared, again, conflicts = await svc.cpu_beside(size)(_judged, sent, found, after, limit)
    if conflicts:
        raise _refused(conflicts)
    if not prepared and not any(again.values()):
        return count
    translated = Translated(
        changes=prepared,
        again=again,
        request=blake2b(body, digest_size=16).digest(),
        device_id=device_id,
        confirm=confirm,
        is_atomic=True,
    )
    await sync.apply(svc, whose, translated)
    return count


def _sent(body: bytes) -> tuple[dict[str, list[Change]], int]:
    json_text.check_document(body, "the body")
    sent = watermelon.decode(body)
    for table in sent.changes:
        sync.checked_type(table)
    return watermelon.changes(sent), sent.last_pulled_at or 0


def _judged(
    sent: Mapping[str, Sequence[Change]], stored: Mapping[str, Mapping[str, Stored]], after: int, limit_bytes: int
) -> tuple[dict[str, list[Prepared]], dict[str, list[str]], dict[str, list[str]]]:
    """By tables: the changes to be made, the deletions to be numbered anew, and the rows that changed since."""
    prepared: dict[str, list[Prepared]] = {}
    again: dict[str, list[str]] = {}
    conflicts: dict[str, list[str]] = {}
    unique = os.urandom(8).hex()
    for table, of in sent.items():
        for number, change in enumerate(of):
            there = stored[table].get(change.record_id)
            becomes = watermelon.judge(change, there, after)
            if becomes == "conflict":
                conflicts.setdefault(table, []).append(change.record_id)
            elif becomes == "again":
                prepared.setdefault(table, [])
                again.setdefault(table, []).append(change.record_id)
            elif becomes != "nothing":
                content = None if becomes is None else documents.of_members(becomes)
                base = None if there is None else there.seq
                made = changes.made(f"{unique}-{number}", change.record_id, content, base, limit_bytes)
                prepared.setdefault(table, []).append(made)
    return prepared, again, conflicts


def _refused(conflicts: Mapping[str, Sequence[str]]) -> Refused:
    count = sum(map(len, conflicts.values()))
    return Refused(
        f"{count} rows have changed since lastPulledAt, so nothing was stored: synchronize again",
        members={"changed": {table: ids[:_SHOWN] for table, ids in conflicts.items()}},
    )
