"""Verification: every pack and frame is read from disk and checked, and nothing is missing or left over."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from delta_server.core.errors import DatabaseFailed, DeltaError, NotFound
from delta_server.core.packs import pack_format
from delta_server.storage.cache import Cache
from delta_server.storage.cold.pieces import ColdStorageAway
from delta_server.storage.contents import reading
from delta_server.storage.contents import store as sql
from delta_server.storage.contents.content_store import ContentStore
from delta_server.storage.contents.reading import DecodedPack
from delta_server.storage.contents.rows import Content
from delta_server.storage.database import Tx

VERIFIED_AT_ONCE = 1000
MAX_NAMED = 5
"""How much of what one cause makes unreadable is named."""


class VerifyResult(msgspec.Struct):
    """What `verify` read, and what it found broken, one sentence a cause."""

    contents: int = 0
    packs: int = 0
    frames: int = 0
    raw_bytes: int = 0
    broken: list[str] = []


class Damage(msgspec.Struct):
    """What is broken of an endpoint. `unreadable` tells by cause what cannot be read because of it: all that is based
    on one damaged frame, say."""

    broken: list[str]
    unreadable: dict[str, list[str]] = {}

    def lost(self, what: str, error: DatabaseFailed | ColdStorageAway) -> None:
        self.unreadable.setdefault(error.message.removesuffix("; run delta-server verify"), []).append(what)


_MISPLACED = {
    "snapshot {row} (endpoint {endpoint}) has not the content that is in force at its time": (
        "SELECT id FROM snapshot WHERE endpoint = ? AND content IS NOT (SELECT id FROM content WHERE dead = 0 AND"
        " endpoint = snapshot.endpoint AND captured_at <= snapshot.captured_at ORDER BY captured_at DESC LIMIT 1)"
    ),
    "content {row} (endpoint {endpoint}) is neither in a frame nor in a pack": (
        "SELECT id FROM content WHERE endpoint = ? AND dead = 0 AND CASE WHEN pack IS NULL"
        " THEN NOT EXISTS (SELECT 1 FROM frame WHERE frame.content = content.id)"
        " ELSE NOT EXISTS (SELECT 1 FROM pack WHERE pack.id = content.pack) END"
    ),
    "frame {row} (endpoint {endpoint}) belongs to no content": (
        "SELECT frame.content FROM frame LEFT JOIN content ON content.id = frame.content AND content.pack IS NULL"
        " WHERE frame.endpoint = ? AND content.id IS NULL"
    ),
}


def _misplaced(tx: Tx, endpoint: int) -> list[str]:
    """What refers to rows that are not there, one sentence each."""
    return [
        sentence.format(row=row, endpoint=endpoint)
        for sentence, sql in _MISPLACED.items()
        for row in [found[0] for found in tx.all(sql, endpoint)]
    ]


async def verify(store: ContentStore, progress: Callable[[int, int], None] = lambda done, of: None) -> VerifyResult:
    """Read every pack and frame from disk, check every hash, and that nothing is missing or left over.

    `progress(done, of)` counts contents. Damage is reported, not raised. What a server that runs meanwhile packs or
    deletes is passed over: it was checked when it was read for that.
    """
    store = msgspec.structs.replace(store, cache=Cache(store.cache.limit_bytes), cold=store.cold.uncached())
    verified = VerifyResult()
    total = await store.db.read(sql.count)
    for endpoint in await store.db.read(sql.kept_endpoints):
        broken = await _verify_endpoint(store, endpoint, verified, lambda: progress(verified.contents, total))
        living = not broken or await store.db.read(sql.is_living, endpoint)
        verified.broken += broken if living else ()
    return verified


async def _verify_endpoint(
    store: ContentStore, endpoint: int, verified: VerifyResult, progress: Callable[[], None]
) -> Sequence[str]:
    """What is broken of it; `verified` counts."""
    damage = Damage(await store.db.read(_misplaced, endpoint))
    for pack in await store.db.read(sql.pack_ids, endpoint):
        await _report_damage(
            _verify_pack(store, endpoint, pack, verified, damage), f"pack {pack} (endpoint {endpoint})", damage
        )
        progress()
    frames = await store.db.read(sql.frame_ids, endpoint)
    for start in range(0, len(frames), VERIFIED_AT_ONCE):
        some = frames[start : start + VERIFIED_AT_ONCE]
        named = f"contents {some[0]} to {some[-1]} (endpoint {endpoint})"
        await _report_damage(_verify_frames(store, endpoint, some, verified, damage), named, damage)
        progress()
    return [
        *damage.broken,
        *(f"{cause}: {_join_names(whats)} cannot be read" for cause, whats in damage.unreadable.items()),
    ]


async def _report_damage(work: Awaitable[None], what: str, damage: Damage) -> None:
    try:
        await work
    except DeltaError:
        raise
    except Exception as error:  # a value of a damaged row is of any type
        damage.broken.append(f"the rows of {what} are not what was stored: {error}")


def _join_names(whats: Sequence[str]) -> str:
    more = f" and {len(whats) - MAX_NAMED} more" if len(whats) > MAX_NAMED else ""
    return ", ".join(whats[:MAX_NAMED]) + more


async def _verify_pack(
    store: ContentStore, endpoint: int, pack_id: int, verified: VerifyResult, damage: Damage
) -> None:
    pack = await store.db.read(sql.pack, endpoint, pack_id)
    if pack is None:  # merged meanwhile
        return
    rows = await store.db.read(sql.by_ids, endpoint, pack.members)
    members = [row for member in pack.members if (row := rows.get(member)) and row.pack == pack_id]
    verified.packs += 1
    verified.contents += len(members)
    verified.raw_bytes += pack.size
    if len(members) != pack.contents and pack_id in await store.db.read(sql.pack_ids, endpoint):
        damage.broken.append(f"pack {pack_id} (endpoint {endpoint}) holds contents that are not there")
    try:
        raw = await reading.read_pack(store, endpoint, pack_id)
    except (DatabaseFailed, ColdStorageAway) as error:
        damage.lost(f"pack {pack_id}", error)
        return
    except NotFound:  # deleted meanwhile
        return
    if raw is not None:
        await store.spare_cpu(_check_members, members, raw, damage)


def _check_members(members: Sequence[Content], raw: DecodedPack, damage: Damage) -> None:
    for content in members:
        try:
            reading.view_in(raw, content)
        except DatabaseFailed as error:
            if _is_in_damaged_frame(raw, content):
                damage.lost(f"content {content.id}", error)
                continue
            damage.broken.append(
                f"pack {content.pack} (endpoint {content.endpoint}) does not hold content {content.id} as it was stored"
            )


def _is_in_damaged_frame(raw: DecodedPack, content: Content) -> bool:
    if content.position == pack_format.ANCHOR:
        return False
    return isinstance(raw.frames[raw.reader.place(content.position or 0)[0]], str)


async def _verify_frames(
    store: ContentStore, endpoint: int, contents: list[int], verified: VerifyResult, damage: Damage
) -> None:
    """Frames in the order of their ids, which is that of their bases; one by one where something is wrong."""
    rows = await store.db.read(sql.by_ids, endpoint, contents)
    frames = [row for content in contents if (row := rows.get(content)) and row.pack is None]
    verified.frames += len(frames)
    verified.contents += len(frames)
    verified.raw_bytes += sum(frame.size for frame in frames)
    for step in reading.group_for_decoding(frames):
        try:
            async for _ in reading.read_run(store, endpoint, [content.id for content in step]):
                pass
        except (DatabaseFailed, ColdStorageAway, NotFound):
            for content in step:
                await _verify_frame(store, content, damage)


async def _verify_frame(store: ContentStore, content: Content, damage: Damage) -> None:
    try:
        await reading.read(store, content.endpoint, content.id)
    except (DatabaseFailed, ColdStorageAway) as error:
        damage.lost(f"content {content.id}", error)
    except NotFound:  # deleted meanwhile
        pass
