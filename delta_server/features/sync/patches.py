"""Changes that came as JSON Patch, made whole before the one writer sees them."""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from delta_server.core.json.patching import Budget
from delta_server.core.sync import changes, record_schema
from delta_server.core.sync.changes import Prepared
from delta_server.core.sync.judging import JSON
from delta_server.features.conflicts import service as conflicts
from delta_server.features.sync import checking, store
from delta_server.features.sync.spaces import Whose
from delta_server.services import Services
from delta_server.storage.database import Tx

MOST_BYTES = 32 << 20
"""Of the versions that one batch patches, and of what its patches handle."""
_TOO_MANY = ("VALIDATION_ERROR", "the records that this batch patches are too large together: push fewer at once")


async def made_whole(svc: Services, whose: Whose, data_type: str, sent: Sequence[Prepared]) -> Sequence[Prepared]:
    wanted = {change.base: change.record_id for change in sent if change.patch is not None and change.base is not None}
    if not wanted:
        return sent
    before = await svc.db.read(_contents, whose, data_type, wanted)
    size = sum(len(content or b"") for content in before.values())
    limit_bytes, schema = svc.config.sync.record_bytes, svc.db.peek(conflicts.schema_of, whose.project, data_type)
    if schema is None or not _shared(sent):
        return await svc.cpu_beside(size)(_patched, sent, before, limit_bytes)
    return await checking.in_time(svc.processes(_patched, sent, before, limit_bytes, schema))


def _contents(tx: Tx, whose: Whose, data_type: str, wanted: Mapping[int, str]) -> dict[int, bytes | None]:
    """Of those that are there; None when it would be too much."""
    space = store.space(tx, whose.project, whose.owner)
    collection = None if space is None else store.collection(tx, space.id, data_type)
    found: dict[int, bytes | None] = {}
    left = MOST_BYTES
    if space is None or collection is None:
        return found
    for seq, record_id in wanted.items():
        version = store.version(tx, space.id, collection.id, seq) if left > 0 else None
        if left <= 0:
            found[seq] = None
        elif version is not None and version.record_id == record_id and version.kind == JSON:
            found[seq] = version.content
            left -= len(version.content or b"")
    return found


def _shared(sent: Sequence[Prepared]) -> set[tuple[str, int | None]]:
    """The versions of records that several changes were made on."""
    counts = Counter((change.record_id, change.base) for change in sent)
    return {place for place, count in counts.items() if count > 1}


def _patched(
    sent: Sequence[Prepared], before: Mapping[int, bytes | None], limit_bytes: int, schema: str | None = None
) -> list[Prepared]:
    """A patch on a version that an earlier change of the batch was made on applies to what that one made of it, unless
    it was refused: what others are built on is checked here already."""
    budget, shared = Budget(MOST_BYTES), _shared(sent)
    made: dict[tuple[str, int | None], bytes] = {}
    found = []
    for change in sent:
        place = change.record_id, change.base
        whole = change if change.patch is None else _whole(change, made.get(place), before, limit_bytes, budget)
        content = whole.content if whole.kind == JSON and whole.refusal is None else None
        if schema is not None and content is not None and place in shared:
            whole = checking.judged(whole, *record_schema.refusals(schema, [content]))
        if content is not None and whole.refusal is None:
            made[place] = content
        found.append(whole)
    return found


def _whole(
    change: Prepared, made: bytes | None, before: Mapping[int, bytes | None], limit_bytes: int, budget: Budget
) -> Prepared:
    if made is not None:
        return replace(changes.patched(change, made, limit_bytes, budget), follows=True)
    if change.base is None or change.base not in before:
        return replace(change, patch=None, lacks_base=True)
    content = before[change.base]
    if content is None:
        return replace(change, patch=None, refusal=_TOO_MANY)
    return changes.patched(change, content, limit_bytes, budget)
