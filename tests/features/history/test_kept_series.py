"""A series is the same whether its readings were kept, are read, or were kept before the history changed."""

import random
from typing import Any

import pytest

from delta_server.app import Application
from delta_server.core.history import kept_readings, series
from delta_server.core.history.kept_readings import KeptReadings
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import kept_series, service, store
from delta_server.features.history import series as reading
from delta_server.services import Services
from delta_server.storage.contents import contents
from tests.conftest import Keys, bearer
from tests.features.history import timelines

PATHS = ["/features/*/properties/mag", "/metadata/count", "/features/0/properties/mag"]
SIZE = service.Size(500, 200)


async def both(svc: Services, of: EndpointRef, path: str, span: TimelineSpan) -> tuple[Any, Any]:
    """As it is given, and as it is read without anything kept."""
    parsed = series.parse(path)
    given = await service.get_series(svc, of, parsed, span, SIZE)
    found = await reading.read_series(svc, of, parsed, span, KeptReadings({}, {}))
    return given, reading.made(found, SIZE)


def values(found: Any) -> dict[str, Any]:
    return {line.record: line.values for line in found.lines}


@pytest.fixture
async def quakes(app: Application, keys: Keys) -> EndpointRef:
    of = await timelines.endpoint_named(app.services, "quakes")
    await timelines.fill(app.services, of, timelines.quakes()[:40])
    await timelines.compute(app.services)
    return of


async def test_kept_or_read(app: Application, keys: Keys, quakes: EndpointRef, monkeypatch: pytest.MonkeyPatch) -> None:
    svc, rng = app.services, random.Random(5)
    versions = timelines.quakes()
    for path in PATHS:
        for _ in range(4):
            first, last = sorted(rng.sample(range(40), 2))
            span = TimelineSpan(versions[first].captured_at, versions[last].captured_at)
            given, plain = await both(svc, quakes, path, span)  # of a part, labels may be those of later versions
            assert (given.times, values(given), given.is_exact) == (plain.times, values(plain), plain.is_exact), path
        given, plain = await both(svc, quakes, path, TimelineSpan())
        assert given == plain
    await timelines.fill(svc, quakes, versions[40:50])
    await timelines.compute(svc)
    await kept_series.complete(svc)
    asked: list[int] = []
    read_run = contents.read_run

    def noting(store: Any, endpoint: int, wanted: Any) -> Any:
        asked.extend(wanted)
        return read_run(store, endpoint, wanted)

    monkeypatch.setattr(contents, "read_run", noting)
    parsed = series.parse(PATHS[0])
    given = await service.get_series(svc, quakes, parsed, TimelineSpan(), SIZE)
    assert asked == []
    monkeypatch.undo()
    assert given == (await both(svc, quakes, PATHS[0], TimelineSpan()))[1]


async def test_what_is_deleted_is_not_kept(app: Application, client: Any, keys: Keys, quakes: EndpointRef) -> None:
    svc, parsed = app.services, series.parse(PATHS[0])
    await service.get_series(svc, quakes, parsed, TimelineSpan(), SIZE)

    async def kept() -> KeptReadings:
        return await kept_series.read(svc, quakes, parsed, deltas.known_keys(svc, quakes.id))

    before = (await kept()).readings
    [snapshot] = (await client.get("/v1/snapshots?endpoint=quakes&limit=1", headers=bearer(keys.project))).json()[
        "data"
    ]
    assert (await client.delete(f"/v1/snapshots/{snapshot['id']}", headers=bearer(keys.project))).is_success
    await kept_series.complete(svc)
    assert len((await kept()).readings) == len(before) - 1
    given, plain = await both(svc, quakes, PATHS[0], TimelineSpan())
    assert given == plain
    assert (await client.delete("/v1/endpoints/quakes?purge=true", headers=bearer(keys.project))).is_success
    await kept_series.complete(svc)


async def test_few_are_kept_and_not_for_ever(
    app: Application, keys: Keys, quakes: EndpointRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    svc = app.services
    monkeypatch.setattr(store, "MOST_KEPT", 2)
    for path in PATHS:
        await service.get_series(svc, quakes, series.parse(path), TimelineSpan(), SIZE)
    rows = await svc.db.read(store.kept_paths, 0, 10)
    assert [path for *_, path in rows] == PATHS[1:]
    monkeypatch.setattr(kept_series, "KEPT_MS", -1)
    await kept_series.complete(svc)
    assert await svc.db.read(store.kept_paths, 0, 10) == []


def test_what_is_too_large_or_damaged_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = KeptReadings({1: {"": b"1"}, 2: {}}, {"": None})
    data = kept_readings.encoded(kept)
    assert data is not None
    assert kept_readings.decoded(data) == kept
    for damaged in (data[:-1], b"", b"x" + data, data[:-2] + b"xy"):
        assert kept_readings.decoded(damaged) == KeptReadings({}, {})
    monkeypatch.setattr(kept_readings, "MOST_BYTES", 5)
    assert kept_readings.encoded(kept) is None
