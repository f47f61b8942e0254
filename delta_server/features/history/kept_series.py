"""Series that were asked for: their readings are kept, and completed in the background."""

from contextlib import suppress

from delta_server.core.diff.diff_settings import KnownKeys
from delta_server.core.errors import Conflict, DatabaseFailed, Invalid, Unavailable
from delta_server.core.history import kept_readings
from delta_server.core.history import series as lines
from delta_server.core.history.kept_readings import KeptReadings
from delta_server.core.history.series import SeriesPath
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.times import DAY_MS
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import series, store
from delta_server.features.history.series import Series, Size
from delta_server.services import Services

KEPT_MS = 30 * DAY_MS
"""What nobody asked for so long is deleted."""
_AT_ONCE = 50


async def get_series(svc: Services, endpoint: EndpointRef, path: SeriesPath, span: TimelineSpan, size: Size) -> Series:
    """Raises Conflict when contents vanish meanwhile."""
    known = deltas.known_keys(svc, endpoint.id)
    found = await series.read_series(svc, endpoint, path, span, await read(svc, endpoint, path, known))
    if found.is_new:
        await keep(svc, endpoint, path, known, found.kept, is_asked=True)
    return await svc.spare_cpu(series.made, found, size)


async def complete(svc: Services) -> None:
    """Read what is new in the series that were asked for, some of it at a time, and drop what was deleted meanwhile."""
    await svc.db.write(store.delete_unasked, svc.clock.now_ms() - KEPT_MS)
    after = 0
    while some := await svc.db.read(store.kept_paths, after, _AT_ONCE):
        for id, project, endpoint, path in some:
            after = id
            of = await svc.db.read(endpoints.by_row, project, endpoint)
            if of is not None:
                with suppress(Conflict, DatabaseFailed, Invalid, Unavailable):
                    await _complete(svc, of, lines.parse(path))


async def _complete(svc: Services, endpoint: EndpointRef, path: SeriesPath) -> None:
    known = deltas.known_keys(svc, endpoint.id)
    kept = await read(svc, endpoint, path, known)
    living = await svc.db.read(store.living, endpoint.id, list(kept.readings))
    left = {content: reading for content, reading in kept.readings.items() if content in living}
    whole = await series.read_series(
        svc, endpoint, path, TimelineSpan(descending=True), KeptReadings(left, kept.labels)
    )
    if whole.is_new or len(left) < len(kept.readings):
        await keep(svc, endpoint, path, known, whole.kept, is_asked=False)


async def read(svc: Services, endpoint: EndpointRef, path: SeriesPath, known: KnownKeys) -> KeptReadings:
    made_with = kept_readings.made_with(path, endpoint.diff, known)
    data = await svc.db.read(store.kept_series, endpoint.id, path.path, made_with)
    return await svc.spare_cpu(kept_readings.decoded, data)


async def keep(
    svc: Services, endpoint: EndpointRef, path: SeriesPath, known: KnownKeys, kept: KeptReadings, *, is_asked: bool
) -> None:
    """Where there is room for them; a chart does not need it."""
    data = await svc.spare_cpu(kept_readings.encoded, kept)
    if data is not None:
        made_with = kept_readings.made_with(path, endpoint.diff, known)
        with suppress(Unavailable):
            await svc.db.write(
                store.keep_series, endpoint.id, endpoint.project, path.path, made_with, data, is_asked=is_asked
            )
