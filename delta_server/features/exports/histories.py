"""The history of an endpoint as a table: its versions are read here and sent to a process that makes it."""

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from uuid import uuid4

import msgspec

from delta_server.core.errors import Conflict, Invalid, NotFound
from delta_server.core.packs.handed_pack import HeldPacks
from delta_server.core.tables.request import TableRequest
from delta_server.core.tables.writing import Form
from delta_server.features.audit import service as audit
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx
from delta_server.tasks import table_worker
from delta_server.tasks.table_making import TableMaker
from delta_server.tasks.table_worker import PackedVersion, PackedVersions, TableTask

SPILL_NAME = "table-spill"
"""The folder beside the database for the rows of tables while they are made."""
_AT_ONCE = 512

_Read = tuple[int, int, bytes]
"""A content, its time and its first snapshot."""


async def table(
    svc: Services, endpoint: EndpointRef, request: TableRequest, form: Form, *, escape_formulas: bool
) -> AsyncGenerator[bytes, None]:
    """The file in pieces. Raises as `TableMaker.make`, and Conflict when versions vanish meanwhile."""
    if request.array is None and not request.fields:
        raise Invalid(
            "name an array, as in array=/items, or fields of the document, as in fields=/total", field="array"
        )
    await audit.note_in(svc, endpoint.project, "snapshot.export", target=f"{endpoint.name} {form}")
    folder = new_folder(svc)
    task = TableTask(
        spill=str(folder),
        now_ms=svc.clock.now_ms(),
        request=request,
        form=form,
        escape_formulas=escape_formulas,
        settings=endpoint.diff,
        known=deltas.known_keys(svc, endpoint.id),
    )
    made = _versions(svc, endpoint.id)
    return svc.state(TableMaker).make(endpoint.project, table_worker.ARGUMENT, msgspec.json.encode(task), made, folder)


def new_folder(svc: Services) -> Path:
    """For the rows of one table."""
    return svc.config.storage.data_dir / SPILL_NAME / uuid4().hex


async def _versions(svc: Services, endpoint: int) -> AsyncIterator[bytes]:
    position = (-(1 << 62), 0)
    held = HeldPacks[bool]()
    while some := await svc.db.read(_following, endpoint, position):
        seen = {content: (at_ms, uid) for content, at_ms, uid in some}
        try:
            async for run in contents.hand_over_run(svc.contents, endpoint, list(seen), held):
                yield _message(run, seen)
        except NotFound:
            raise _rewritten() from None
        last, at_ms, _ = some[-1]
        position = at_ms, last


def _message(run: contents.PackedRun | tuple[int, bytes], seen: dict[int, tuple[int, bytes]]) -> bytes:
    if isinstance(run, tuple):
        content, body = run
        return table_worker.version_message(*seen[content], body)
    versions = [PackedVersion(*seen[each.id], each.position or 0, each.size, each.hash) for each in run.contents]
    return table_worker.packed_message(PackedVersions(run.pack, run.handed, versions))


def _following(tx: Tx, endpoint: int, position: tuple[int, int]) -> list[_Read]:
    found = contents.follow(tx, endpoint, position, limit=_AT_ONCE)
    return [(each.id, each.captured_at, _first_snapshot(tx, endpoint, each.captured_at)) for each in found]


def _first_snapshot(tx: Tx, endpoint: int, captured_at: int) -> bytes:
    uid = snapshots.first_at(tx, endpoint, captured_at)
    if uid is None:
        raise _rewritten()
    return uid


def _rewritten() -> Conflict:
    return Conflict("the endpoint's history was rewritten while it was read: ask again")
