"""What versions have at a path, one after the other: for who judges each of them.

Only those are read in which the field index does not rule out a change; the others have what the one before them has.
"""

from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec

from delta_server.core.errors import Conflict, NotFound
from delta_server.core.history.series import Reader, Reading, SeriesPath
from delta_server.core.history.timeline_span import Position, TimelineSpan
from delta_server.core.json import surrogates
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import store
from delta_server.features.history.series import MOST_PASSED, changed_at
from delta_server.features.history.store import WalkedContent
from delta_server.features.history.walk import BATCH_BYTES
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.database import Tx

MOST_READ, READ_BYTES = 3_000, 192 << 20
"""Versions that are read, and their documents together: what three seconds are enough for."""
AT_ONCE = 64


class Stretch(msgspec.Struct, frozen=True):
    """Versions to be judged, in the order of time; of those in `wanted` the documents are to be read. `before` is the
    content in front of them. `is_whole`: no older ones were left out."""

    passed: Sequence[WalkedContent]
    wanted: frozenset[int]
    before: int | None
    is_whole: bool


class PathVersion(msgspec.Struct, frozen=True):
    """A version and what it has at each of the paths."""

    at: WalkedContent
    readings: Sequence[Mapping[str, bytes]]


def newest_versions(
    tx: Tx, endpoint: EndpointRef, path: SeriesPath, span: TimelineSpan, *, most: int | None = None
) -> Stretch:
    """The newest versions of a span, as many as are read in some seconds, and `most` where that is said."""
    most = most or MOST_PASSED
    passed = store.contents_along(tx, endpoint.id, span, most)[::-1]
    is_whole = len(passed) < most
    changed = changed_at(tx, endpoint, path, passed)
    wanted, size, first = set[int](), 0, len(passed)
    for number in range(len(passed) - 1, -1, -1):
        each = passed[number]
        if changed is None or each.sure or each.captured_at in changed:
            size += each.size
            if wanted and (len(wanted) == MOST_READ or size > READ_BYTES):
                break
            wanted.add(each.content)
        first = number
    passed = passed[first:]
    before = contents.before(tx, endpoint.id, passed[0].position) if passed else None
    if passed and before is None:
        wanted.add(passed[0].content)
    return Stretch(passed, frozenset(wanted), None if before is None else before.id, is_whole and first == 0)


def versions_after(tx: Tx, endpoint: EndpointRef, position: Position) -> Stretch:
    """The next versions behind a position, some of them; all of them are read."""
    span = TimelineSpan(from_ms=position[0], after=position, descending=False)
    passed = store.contents_along(tx, endpoint.id, span, AT_ONCE)
    before = contents.before(tx, endpoint.id, passed[0].position) if passed else None
    return Stretch(
        passed, frozenset(each.content for each in passed), None if before is None else before.id, is_whole=True
    )


async def read_versions(
    svc: Services, endpoint: EndpointRef, stretch: Stretch, readers: Sequence[Reader]
) -> AsyncIterator[tuple[Sequence[Mapping[str, bytes]] | None, list[PathVersion]]]:
    """The versions of a stretch, some at once, with what the one before the first of them has, None where none is.

    Raises Conflict when contents vanish meanwhile.
    """
    before: Sequence[Mapping[str, bytes]] | None = None
    if stretch.before is not None:
        body = await _first(svc, endpoint, stretch.before)
        [before] = await svc.spare_cpu(_read, readers, [body])
    wanted = [each.content for each in stretch.passed if each.content in stretch.wanted]
    left, batch, size = list(stretch.passed), list[bytes](), 0
    contents_read: list[int] = []
    try:
        async for content, body in contents.read_run(svc.contents, endpoint.id, wanted):
            batch.append(body)
            contents_read.append(content)
            size += len(body)
            if size >= BATCH_BYTES or len(batch) == AT_ONCE:
                found = dict(zip(contents_read, await svc.spare_cpu(_read, readers, batch), strict=True))
                versions, left = _filled(left, found, before, stretch.wanted)
                yield before, versions
                before, batch, contents_read, size = versions[-1].readings, [], [], 0
    except NotFound:
        raise _rewritten() from None
    found = dict(zip(contents_read, await svc.spare_cpu(_read, readers, batch), strict=True))
    versions, _ = _filled(left, found, before, frozenset())
    if versions:
        yield before, versions


async def _first(svc: Services, endpoint: EndpointRef, content: int) -> bytes:
    try:
        return await contents.read(svc.contents, endpoint.id, content)
    except NotFound:
        raise _rewritten() from None


def _rewritten() -> Conflict:
    return Conflict("the endpoint's history was rewritten while it was read: ask again")


def _read(readers: Sequence[Reader], bodies: Sequence[bytes]) -> list[Sequence[Reading]]:
    shown = list(map(surrogates.replaced, bodies))
    return list(zip(*(reader.read(shown) for reader in readers), strict=True))


def _filled(
    left: Sequence[WalkedContent],
    found: Mapping[int, Sequence[Mapping[str, bytes]]],
    before: Sequence[Mapping[str, bytes]] | None,
    wanted: frozenset[int],
) -> tuple[list[PathVersion], list[WalkedContent]]:
    """Versions up to the next that is wanted and not found, and those that are left."""
    versions: list[PathVersion] = []
    for number, each in enumerate(left):
        if each.content in wanted and each.content not in found:
            return versions, list(left[number:])
        before = found.get(each.content, before)
        assert before is not None, "the first version is read, or the one before it"
        versions.append(PathVersion(each, before))
    return versions, []
