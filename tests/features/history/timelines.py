"""Endpoints filled for tests, and what their history must be: found by decoding every version."""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import zstandard

import delta_server
from delta_server.core import times
from delta_server.features.accounts import service as accounts
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.schemas import EndpointChange
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.projects import service as projects
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey

QUAKES = Path(delta_server.__file__).parent / "data" / "usgs-quakes.ndjson.zst"
ABSENT = object()


class Version(msgspec.Struct, frozen=True, order=True):
    captured_at: int
    body: bytes


class Line(msgspec.Struct):
    at: str
    body: str


def quakes() -> list[Version]:
    """The history in the package: 200 versions of a GeoJSON feed, newest earthquakes first."""
    with QUAKES.open("rb") as file:
        text = zstandard.ZstdDecompressor().stream_reader(file).read()
    lines = msgspec.json.Decoder(Line).decode_lines(text)
    return [Version(times.parse(line.at, field="at"), line.body.encode()) for line in lines]


async def endpoint_named(
    svc: Services, name: str, diff: dict[str, Any] | None = None, *, project: str = "mine"
) -> EndpointRef:
    def make(tx: Tx) -> EndpointRef:
        return endpoints.ensure(tx, projects.ensure(tx, accounts.default_account(tx), project).id, name)

    made = await svc.db.write(make)
    if diff is not None:
        changed = msgspec.convert({"diff": diff}, EndpointChange)
        await endpoints.update_endpoint(svc, made.project, name, changed)
        made = endpoints.resolve(svc, made.project, name)
    return made


async def fill(svc: Services, endpoint: EndpointRef, versions: Sequence[Version]) -> list[str]:
    """Store `versions` in the given order, 50 at a time; their ids."""
    ids: list[str] = []
    for start in range(0, len(versions), 50):
        news = [NewSnapshot(endpoint, version.body, version.captured_at) for version in versions[start : start + 50]]
        ids += (await snapshots.create_snapshots(svc, endpoint.project, news, IdempotencyKey.none())).ids
    return ids


async def compute(svc: Services) -> None:
    while await deltas.compute_queued(svc):
        pass


def comparable(value: Any) -> Any:
    """Equal for equal JSON values only: true is not 1, 1 is 1.0."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return (type(value).__name__, value)
    if isinstance(value, list):
        return tuple(map(comparable, value))
    if isinstance(value, dict):
        return frozenset((name, comparable(member)) for name, member in value.items())
    return value if value is ABSENT else Decimal(value)


@lru_cache(maxsize=512)
def decoded(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal)


def history_of(versions: Sequence[Version], pick: Callable[[Any], Any]) -> list[tuple[int, Any]]:
    """(captured_at, value) of each change of what `pick` takes out of a version; ABSENT where it is not there."""
    found: list[tuple[int, Any]] = []
    last: Any = ABSENT
    for version in sorted(versions):
        value = pick(decoded(version.body))
        if comparable(value) != comparable(last):
            found.append((version.captured_at, value))
        last = value
    return found


def at(*steps: Any) -> Callable[[Any], Any]:
    """Picks by member names, indexes, and (field, ..., value) for the first element with that value."""

    def pick(value: Any) -> Any:
        for step in steps:
            if isinstance(step, tuple):
                *fields, wanted = step
                elements = value if isinstance(value, list) else []
                value = next((element for element in elements if at(*fields)(element) == wanted), ABSENT)
            elif isinstance(value, list):
                value = value[step] if isinstance(step, int) and step < len(value) else ABSENT
            else:
                value = value.get(str(step), ABSENT) if isinstance(value, dict) else ABSENT
        return value

    return pick
