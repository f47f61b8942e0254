"""Rows of a level of a snapshot's document, and a search in it. The document is gone through as bytes, by another
process where it is large, and is nowhere in memory as a tree."""

from delta_server.core import ids
from delta_server.core.diff.diff_settings import DiffSettings, KnownKeys
from delta_server.core.errors import DatabaseFailed, NotFound
from delta_server.core.json import pointer
from delta_server.core.outline import record_search, rows, search
from delta_server.core.outline.record_search import RecordSearch
from delta_server.core.outline.rows import TreeLevel
from delta_server.core.outline.search import TextSearch
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.service import Snapshot
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx


async def level(svc: Services, project: int, snapshot: Snapshot, path: str, *, start: int, count: int) -> TreeLevel:
    """Rows of the value at `path`, marked with what changed since the version before. Raises Invalid, NotFound."""
    pointer.parse(path)
    settings, known = _settings(svc, project, snapshot)
    body = await snapshots.read_document(svc, snapshot)
    before = await _before(svc, snapshot, body)
    cpu = svc.cpu_for(len(body) + len(before or b""))
    found = await cpu(rows.level, body, before, path, settings, known, start, count)
    if found is None:
        pointer.refuse_unlikely(path)
        raise NotFound(f"there is nothing at {path} in that snapshot")
    return found


async def find(svc: Services, project: int, snapshot: Snapshot, q: str, *, start: int, count: int) -> TextSearch:
    settings, known = _settings(svc, project, snapshot)
    body = await snapshots.read_document(svc, snapshot)
    return await svc.cpu_for(len(body))(search.find, body, q, settings, known, start, count)


async def find_records(
    svc: Services, project: int, snapshot: Snapshot, q: str, path: str, *, start: int, count: int
) -> RecordSearch:
    """Raises Invalid, NotFound."""
    pointer.parse(path)
    settings, known = _settings(svc, project, snapshot)
    body = await snapshots.read_document(svc, snapshot)
    found = await svc.cpu_for(len(body))(record_search.find, body, q, path, settings, known, start, count)
    if found is None:
        pointer.refuse_unlikely(path)
        raise NotFound(f"there is nothing at {path} in that snapshot")
    return found


def _settings(svc: Services, project: int, snapshot: Snapshot) -> tuple[DiffSettings, KnownKeys]:
    endpoint = endpoints.resolve(svc, project, ids.text(snapshot.endpoint_uid))
    return endpoint.diff, deltas.known_keys(svc, endpoint.id)


async def _before(svc: Services, snapshot: Snapshot, body: bytes) -> bytes | None:
    """The document of the version before: the same where the snapshot repeats it, None where there is none to read."""
    if snapshot.unchanged:
        return body
    content = svc.db.peek(_content_before, snapshot)
    try:
        return None if content is None else await contents.read(svc.contents, snapshot.endpoint, content)
    except (NotFound, DatabaseFailed):  # deleted meanwhile or damaged: the rows are there all the same
        return None


def _content_before(tx: Tx, snapshot: Snapshot) -> int | None:
    row = contents.get(tx, snapshot.endpoint, snapshot.content)
    before = None if row is None else contents.before(tx, snapshot.endpoint, (row.captured_at, row.id))
    return None if before is None else before.id
