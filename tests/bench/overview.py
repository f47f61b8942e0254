"""What the dashboard asks for when it opens and when its slider is drawn: summaries of all endpoints, a long timeline,
and one version after another, from the service to JSON."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median

import msgspec

from delta_server import app
from delta_server.config.sections import Config
from delta_server.core.history import series
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.deltas import service as deltas
from delta_server.features.history import service as history
from delta_server.features.overview import schemas, service
from delta_server.features.overview.service import Wanted
from delta_server.features.snapshots import schemas as snapshot_schemas
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.importing import Version, import_versions
from delta_server.services import Services
from delta_server.storage.sqlite.options import Storage
from tests.bench import load
from tests.bench.history import fill
from tests.bench.table import Row, bench
from tests.bench.turns import sized

ENDPOINTS, EACH = sized(1_000, 3), sized(6, 3)
VERSIONS = sized(15_000, 30)
STEPS = sized(200, 5)
ROUNDS = sized(11, 1)
MINUTE = 60_000
HOUR = 60 * MINUTE


@bench("overview: summaries, timelines, steps")
def overview() -> Iterator[Row]:
    yield from asyncio.run(_measure())


async def _measure() -> list[Row]:
    now_ms = time.time_ns() // 1_000_000
    with tempfile.TemporaryDirectory() as directory:
        async with app.open_services(Config(storage=Storage(data_dir=Path(directory)))) as svc:
            rows = [await _steps(svc, now_ms)]
            project, more = await _long(svc, now_ms)
            rows += [*more, *await _summaries(svc, project, now_ms)]
    return rows


async def _steps(svc: Services, now_ms: int) -> Row:
    """Each version's place, document and first rows of its delta, as the slider asks for them."""
    stretch = load.documents()[:STEPS]
    made = [Version(now_ms - (len(stretch) - n) * MINUTE, body) for n, body in enumerate(stretch)]
    endpoint = await fill(svc, "steps", made)
    listed = await snapshots.list_snapshots(
        svc, endpoint.project, endpoint, TimelineSpan(descending=False), limit=len(stretch), changed_only=True
    )
    began = time.perf_counter()
    for snapshot in listed[1:]:
        place = snapshot_schemas.place(await snapshots.place_of(svc, snapshot))
        await snapshots.read_document(svc, snapshot)
        id = snapshot_schemas.snapshot(snapshot).id
        msgspec.json.encode((place, await deltas.get_delta(svc, endpoint.project, id, "rows")))
    seconds = time.perf_counter() - began
    rate, size = (len(listed) - 1) / seconds, sum(map(len, stretch)) / len(stretch) / 1e3
    note = f"place, document and delta as rows, {size:.0f} kB each, nothing cached"
    return Row("step through a document's versions", rate, "/s", bar=20, bar_on="ours", at_least=True, note=note)


async def _long(svc: Services, now_ms: int) -> tuple[int, list[Row]]:
    """The project, and the rows."""
    made = [
        Version(now_ms - (VERSIONS - n) * 5 * MINUTE, b'{"n":%d,"of":[%d,2,3]}' % (n, n % 7)) for n in range(VERSIONS)
    ]
    endpoint = await fill(svc, "long", made)
    middle = snapshots.snapshot_at(svc, endpoint.project, endpoint, now_ms - VERSIONS // 2 * 5 * MINUTE)

    async def whole() -> bytes:
        found = await service.endpoint_timeline(svc, endpoint, None, None, 400)
        return msgspec.json.encode(schemas.timeline(found))

    async def day() -> bytes:
        found = await service.endpoint_timeline(svc, endpoint, now_ms - 2 * 24 * HOUR, now_ms, 400)
        return msgspec.json.encode(schemas.timeline(found))

    async def place() -> bytes:
        return msgspec.json.encode(snapshot_schemas.place(await snapshots.place_of(svc, middle)))

    async def numbers() -> bytes:
        path = series.parse("/n")
        await history.get_series(svc, endpoint, path, TimelineSpan(), history.Size(points=500, records=1))
        return b""

    of = f"of {VERSIONS:,} versions"
    return endpoint.project, [
        Row(f"timeline {of}", await _ms(whole), "ms", bar=50, bar_on="ours", note="400 buckets of whole hours"),
        Row("  two days of it", await _ms(day), "ms", bar=50, bar_on="ours", note="400 buckets of minutes"),
        Row(f"a version's place {of}", await _ms(place), "ms", bar=5, bar_on="ours", note="in the middle"),
        Row(f"series of a number {of}", await _ms(numbers), "ms", note="which changes in each of them"),
    ]


async def _summaries(svc: Services, project: int, now_ms: int) -> list[Row]:
    await fill_endpoints(svc, project, now_ms)
    spark = service.spark_of(None, now_ms, 72)

    def asked(sort: service.Sort) -> Callable[[], Awaitable[bytes]]:
        async def ask() -> bytes:
            wanted = Wanted(prefix="endpoint", sort=sort, after=None, skip=0, limit=1000, spark=spark)
            return (await service.list_endpoints(svc, project, wanted)).data

        return ask

    size = len(await asked("name")()) / 1e3
    return [
        Row(f"summaries of {ENDPOINTS:,} endpoints", await _ms(asked("name")), "ms", bar=200, bar_on="ours",
            note=f"{size:.0f} kB with 72 bars each"),
        Row("  last changed first", await _ms(asked("changed")), "ms", bar=250, bar_on="ours"),
    ]  # fmt: skip


async def fill_endpoints(svc: Services, project: int, now_ms: int) -> None:
    """`ENDPOINTS` of them, which changed `EACH` times at most: each at times of its own within the last days."""
    for number in range(ENDPOINTS):
        ends_ms = now_ms - number * 7 % 600 * MINUTE
        made = [Version(ends_ms - (EACH - n) * 11 * HOUR, b'{"n":%d}' % (number + n)) for n in range(EACH)]
        await import_versions(svc, project, f"endpoint {number}", made, lambda done: None)
    while await deltas.compute_queued(svc):
        pass


async def _ms(ask: Callable[[], Awaitable[bytes]]) -> float:
    return median([await _once(ask) for _ in range(ROUNDS)])


async def _once(ask: Callable[[], Awaitable[bytes]]) -> float:
    began = time.perf_counter()
    await ask()
    return (time.perf_counter() - began) * 1e3
