"""/v1/events/retention: for how long events and their rollups are kept. /v1/events/stats: what they take."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.event_storage.segment_plan import Retention
from delta_server.core.events.refusals import Refusals, Refused
from delta_server.features.events import store
from delta_server.http.docs import example
from delta_server.services import Services
from delta_server.storage.eventlog import EventStats

_TAGS = ["Events"]
_RETENTION = {"days": 365, "types": {"debug": 7, "purchase": 0}, "rollups": {"1m": 14}}
_MOST_TYPES = 1000

Kept = Annotated[int, Meta(ge=0, le=36_500)]


class NewRetention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days; 0 keeps for ever. What is absent or null is the server's default."""

    days: Kept | None = None
    types: dict[Annotated[str, Meta(min_length=1, max_length=1000)], Kept] | None = None
    rollups: "NewRollups | None" = None


class NewRollups(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days that counts are kept, by their interval; they outlive the events. 0 keeps for ever. 15m are kept at
    least as long as 1h: where clocks are half an hour off, days and hours are made of them."""

    every_1m: Kept | None = msgspec.field(name="1m", default=None)
    every_5m: Kept | None = msgspec.field(name="5m", default=None)
    every_15m: Kept | None = msgspec.field(name="15m", default=None)
    every_1h: Kept | None = msgspec.field(name="1h", default=None)
    every_1d: Kept | None = msgspec.field(name="1d", default=None)


class StatsShown(msgspec.Struct, frozen=True):
    """Events that wait to be sealed, sealed ones, and rollups. Bytes are what is in the database file; `json_bytes`
    what the sealed events were as JSON."""

    waiting_events: int
    waiting_bytes: int
    sealed_events: int
    segments: int
    segment_bytes: int
    json_bytes: int
    rollups: int
    rollup_bytes: int
    first_at: str | None
    last_at: str | None
    refused: list["RefusedShown"]


class RefusedShown(msgspec.Struct, frozen=True):
    """Events refused since the server started; a request that was refused as a whole counts as one."""

    key: str
    reason: str
    count: int
    last_at: str


@get(
    "/v1/events/retention",
    summary="For how long events are kept",
    tags=_TAGS,
    opt=example(answer=_RETENTION),
)
async def shown(services: NamedDependency[Services], project: NamedDependency[int]) -> Retention:
    return msgspec.json.decode(services.db.peek(store.retention, project), type=Retention)


@put(
    "/v1/events/retention",
    summary="Set for how long events are kept",
    tags=_TAGS,
    opt=example(request=_RETENTION, answer=_RETENTION),
)
async def change(
    data: JSONBody[NewRetention], services: NamedDependency[Services], project: NamedDependency[int]
) -> Retention:
    """Queries may see events past their time until the background has let go of them."""
    if data.types and len(data.types) > _MOST_TYPES:
        raise Invalid(f"at most {_MOST_TYPES} event types can have a retention of their own", field="types")
    kept = retention(data)
    await services.db.write(store.put_retention, project, msgspec.json.encode(kept).decode())
    return kept


@get(
    "/v1/events/stats",
    summary="How many events there are and what they take",
    tags=_TAGS,
    opt=example(
        answer={
            "waiting_events": 4200,
            "waiting_bytes": 190_000,
            "sealed_events": 1_310_720,
            "segments": 2,
            "segment_bytes": 38_000_000,
            "json_bytes": 367_000_000,
            "rollups": 40,
            "rollup_bytes": 2_400_000,
            "first_at": "2026-05-01T12:00:00.000Z",
            "last_at": "2026-05-31T08:30:00.000Z",
            "refused": [
                {"key": "key_3f", "reason": "PAYLOAD_TOO_LARGE", "count": 3, "last_at": "2026-05-31T08:30:00.000Z"}
            ],
        }
    ),
)
async def stats(services: NamedDependency[Services], project: NamedDependency[int]) -> StatsShown:
    return stats_shown(await services.event_maintenance.stats(project), services.state(Refusals).of(project))


def retention(new: NewRetention) -> Retention:
    rollups = {
        name: days for name, days in msgspec.to_builtins(new.rollups or NewRollups()).items() if days is not None
    }
    return Retention(new.days, new.types or {}, rollups)


def stats_shown(found: EventStats, refusals: Sequence[Refused] = ()) -> StatsShown:
    values = msgspec.structs.asdict(found)
    first, last = (None if at is None else times.format(at) for at in (found.first_at, found.last_at))
    refused = [RefusedShown(one.key, one.reason, one.count, times.format(one.last_at)) for one in refusals]
    return StatsShown(**{**values, "first_at": first, "last_at": last, "refused": refused})


ROUTES = [shown, change, stats]
