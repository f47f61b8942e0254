"""How the server is: a shallow answer for load balancers, the details for its owner, numbers for Prometheus."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from litestar import MediaType, Response, get
from litestar.di import NamedDependency

from delta_server import __version__
from delta_server.core import times
from delta_server.core.errors import DeltaError
from delta_server.http.docs import example
from delta_server.http.metrics import CONTENT_TYPE, Metrics, Reading
from delta_server.services import Services
from delta_server.storage.database import DatabaseStats, Tx
from delta_server.tasks.loops import LoopState

LEAST_FREE_BYTES = 100_000_000
"""With less the next large snapshot, or the next merge of packs, may find the disk full."""

Count = Callable[[Tx], int]
"""A short count of rows that wait for something."""


class Alive(msgspec.Struct, frozen=True):
    status: str


class LoopHealth(msgspec.Struct, frozen=True):
    name: str
    running: bool
    failures: int
    last_failed_at: str | None


class Health(msgspec.Struct, frozen=True):
    """`status` is `ok`, `degraded` (it answers, but something needs its owner) or `failing` (the database does not
    answer); `reasons` say why it is not ok."""

    status: str
    reasons: list[str]
    version: str
    uptime_s: int
    database: DatabaseStats | None
    queues: dict[str, int]
    disk_free_bytes: int
    cache_bytes: int
    loops: list[LoopHealth]


class Vitals:
    """Reads the state of a running server. `queues` by name."""

    def __init__(self, services: Services, loops: Callable[[], list[LoopState]], queues: Mapping[str, Count]) -> None:
        self._services = services
        self._loops = loops
        self._queues = queues
        self._started_ms = services.clock.now_ms()

    def health(self) -> Health:
        database, queues = self._database()
        loops = [LoopHealth(s.name, s.running, s.failures, _time(s.last_failed_at)) for s in self._loops()]
        disk_free_bytes = shutil.disk_usage(self._services.config.storage.data_dir).free
        reasons = list(_reasons(database, loops, disk_free_bytes))
        fine = "degraded" if reasons else "ok"
        return Health(
            status=fine if database is not None else "failing",
            reasons=reasons,
            version=__version__,
            uptime_s=(self._services.clock.now_ms() - self._started_ms) // 1000,
            database=database,
            queues=queues,
            disk_free_bytes=disk_free_bytes,
            cache_bytes=self._services.cache.used_bytes,
            loops=loops,
        )

    def _database(self) -> tuple[DatabaseStats | None, dict[str, int]]:
        db = self._services.db
        try:
            return db.stats(), {name: db.peek(count) for name, count in self._queues.items()}
        except DeltaError:
            return None, {}

    def readings(self) -> Iterator[Reading]:
        health = self.health()
        yield Reading("delta_up_seconds", "Seconds since the start.", health.uptime_s)
        yield Reading("delta_disk_free_bytes", "Free space where the data is.", health.disk_free_bytes)
        yield Reading("delta_cache_bytes", "Bytes of contents kept in memory.", health.cache_bytes)
        down = sum(not loop.running for loop in health.loops)
        yield Reading("delta_loops_down", "Background loops that are not running.", down)
        for name, waiting in health.queues.items():
            yield Reading(f"delta_{name}", "Rows that wait for the background.", waiting)
        if health.database is not None:
            for name, help_text, counts in _DATABASE_METRICS:
                yield Reading(f"delta_database_{name}", help_text, getattr(health.database, name), counts=counts)


def _reasons(database: DatabaseStats | None, loops: list[LoopHealth], disk_free_bytes: int) -> Iterator[str]:
    if database is None:
        yield "the database does not answer"
    elif database.last_commit_failed:
        yield "the last write could not be stored: the log says why"
    if disk_free_bytes < LEAST_FREE_BYTES:
        yield f"only {disk_free_bytes} bytes are free on the disk of the data directory"
    for loop in loops:
        if not loop.running:
            yield f"the background loop {loop.name!r} has failed and waits to be started again"


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else times.format(time_ms)


_DATABASE_METRICS = (
    # field of DatabaseStats, help, whether it only ever counts up
    ("database_bytes", "Size of the main file, free pages included.", False),
    ("log_bytes", "Size of the write-ahead log.", False),
    ("free_bytes", "Space in the main file that can be given back.", False),
    ("writes_waiting", "Writes that wait for the next commit.", False),
    ("reads_waiting", "Reads that run or wait for a thread.", False),
    ("writes", "Writes committed, together with others or alone.", True),
    ("slow_writes", "Writes that kept all others waiting for longer than 50 ms; the log names them.", True),
    ("commits", "Transactions committed.", True),
    ("commit_failures", "Transactions that failed; none of their writes was stored.", True),
)


_HEALTH: dict[str, Any] = {
    "status": "ok",
    "reasons": [],
    "version": "0.1.0",
    "uptime_s": 86400,
    "database": {
        "database_bytes": 10485760,
        "log_bytes": 409600,
        "free_bytes": 0,
        "writes_waiting": 0,
        "reads_waiting": 0,
        "writes": 1200,
        "slow_writes": 0,
        "commits": 300,
        "commit_failures": 0,
        "last_commit_failed": False,
    },
    "queues": {"deltas_pending": 0},
    "disk_free_bytes": 50000000000,
    "cache_bytes": 1048576,
    "loops": [{"name": "compute deltas", "running": True, "failures": 0, "last_failed_at": None}],
}


@get("/healthz", summary="Whether the server answers", tags=["Health"], opt=example(answer={"status": "ok"}))
async def healthz() -> Alive:
    return Alive("ok")


@get(
    ["/v1/health", "/healthz/details"],
    summary="How the server is: database, queues, disk, background loops",
    tags=["Health"],
    opt=example(answer=_HEALTH),
)
async def health(vitals: NamedDependency[Vitals]) -> Response[Health]:
    found = vitals.health()
    return Response(found, status_code=503 if found.status == "failing" else 200)


@get(
    "/metrics",
    summary="Prometheus metrics",
    tags=["Health"],
    media_type=MediaType.TEXT,
    opt=example(answer='delta_http_requests_total{method="GET",route="/v1/snapshots",status="200"} 12.0\n'),
)
async def prometheus(metrics: NamedDependency[Metrics]) -> Response[bytes]:
    return Response(metrics.text(), media_type=CONTENT_TYPE)


ROUTES = [healthz, health, prometheus]
