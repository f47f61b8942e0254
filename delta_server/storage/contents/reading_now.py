"""Reading contents on a thread and from one state of the database, for queries in SQL."""

from collections.abc import Iterator, Sequence

from delta_server.storage.cache import Cache
from delta_server.storage.cold.pieces import ColdReads, PieceLost
from delta_server.storage.contents import cold_steps, reading
from delta_server.storage.contents import store as sql
from delta_server.storage.contents.rows import Content, DecodeStep
from delta_server.storage.database import Tx


def read_now(
    tx: Tx, cache: Cache, cold: ColdReads, endpoint: int, contents: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    """As `reading.read_run`. Raises InterruptError once stopped, too."""
    rows = sql.by_ids(tx, endpoint, contents)
    for step in reading.group_for_decoding([rows[content] for content in contents]):
        raw, anchors = _whole_pack(tx, cache, cold, step) if len(step) > 1 else (None, [])
        for content in step:
            body = cache.get((endpoint, content.id))
            if body is None and raw is not None:
                body = bytes(reading.view_in(raw, content))
            elif body is None:
                steps = _steps(tx, cache, cold, content)
                body, anchors = reading.run_decode_steps(cache.scratch, steps)
                anchors = [*anchors, ((endpoint, content.id), body)]
            reading.remember(cache, anchors)
            yield content.id, body


def _whole_pack(
    tx: Tx, cache: Cache, cold: ColdReads, step: Sequence[Content]
) -> tuple[reading.DecodedPack | None, reading.Anchors]:
    """Of neighbours in one; None where they are frames."""
    pack, endpoint = step[0].pack, step[0].endpoint
    found = None if pack is None else reading.pack_trail(tx, cache, endpoint, pack)
    if found is None:
        return None, []
    try:
        if cold_steps.takes_any(found):
            found = cold.wait(cold_steps.fill_trail(cold.pieces, found))
    except PieceLost as error:
        raise reading.damaged_pack(found[0], str(error)) from None
    return reading.decode_pack(cache.scratch, *found)


def _steps(tx: Tx, cache: Cache, cold: ColdReads, content: Content) -> list[DecodeStep]:
    steps = reading.decode_steps(tx, cache, content.endpoint, content.id)
    if all(step.cold is None for step in steps):
        return steps
    try:
        return cold.wait(cold_steps.fill(cold.pieces, steps))
    except PieceLost as error:
        raise reading.damaged(content, str(error)) from None
