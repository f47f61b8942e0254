"""Health and metrics endpoints: a shallow answer for load balancers, one by dependency for everybody, details for the
operator, metrics for Prometheus. Details and metrics are about all projects, so they are for account keys."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from time import monotonic
from typing import Any, Literal, TypeAlias, cast

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency

from delta_server import __version__
from delta_server.core import times
from delta_server.core.clock_watch import ClockWatch
from delta_server.core.errors import DeltaError, Forbidden, Unavailable
from delta_server.http import auth
from delta_server.http.asgi import Scope
from delta_server.http.docs import example
from delta_server.http.guards import PUBLIC, SERVER, Guards
from delta_server.http.inflight import MemoryBudget
from delta_server.http.metrics import CONTENT_TYPE, Metrics, Sample
from delta_server.services import Services
from delta_server.storage.database import DatabaseStats, Tx
from delta_server.tasks.loops import LoopState

LEAST_FREE_BYTES = 100_000_000
"""With less the next large snapshot, or the next merge of packs, may find the disk full."""

Count = Callable[[Tx], int]
"""A short count of rows that wait for something."""


Status: TypeAlias = Literal["healthy", "degraded", "unhealthy"]
"""Degraded: it answers, but something needs its owner."""
_WORST: tuple[Status, ...] = ("unhealthy", "degraded", "healthy")
RATE_LIMITER = "rate_limiter"
COLD_STORAGE = "cold_storage"
"""There where `storage.cold` names one. All else goes on without it."""
_NEARLY_FULL = 0.9


class Dependency(msgspec.Struct, frozen=True):
    """What requests cannot do without: `probe` reads a little of it, in microseconds, and raises
    DeltaError when that cannot be done. `loops` are
    the background loops that maintain it; those that no other names are the first one's."""

    name: str
    probe: Callable[[], object]
    loops: frozenset[str] = frozenset()


class Alive(msgspec.Struct, frozen=True):
    """`ok`, or `failing` when the database does not answer."""

    status: Literal["ok", "failing"]
    server: Literal["ok"]
    database: Literal["ok", "failing"]


class LoopHealth(msgspec.Struct, frozen=True):
    name: str
    running: bool
    failures: int
    last_failed_at: str | None


class Health(msgspec.Struct, frozen=True):
    """`status` is the worst of `dependencies`: `healthy`, `degraded` (it answers, but something needs its owner) or
    `unhealthy`; `reasons` say why it is not healthy."""

    status: Status
    dependencies: dict[str, Status]
    reasons: list[str]
    version: str
    uptime_s: int
    database: DatabaseStats | None
    queues: dict[str, int]
    disk_free_bytes: int
    cache_bytes: int
    loops: list[LoopHealth]


class Summary(msgspec.Struct, frozen=True, omit_defaults=True):
    """`details` come with an account's key only: they are about all projects."""

    status: Status
    dependencies: dict[str, Status]
    timestamp: str
    details: Health | None = None


class Vitals:
    """Reads the state of a running server. `queues` by name; `budgets` are what requests share."""

    def __init__(
        self,
        services: Services,
        loops: Callable[[], list[LoopState]],
        queues: Mapping[str, Count],
        *,
        dependencies: tuple[Dependency, ...],
        budgets: Sequence[MemoryBudget],
        samples: Sequence[Callable[[Services], Iterable[Sample]]] = (),
    ) -> None:
        self._services = services
        self._loops = loops
        self._queues = queues
        self._dependencies = dependencies
        self._budgets = budgets
        self._samples = samples
        self._started_s = monotonic()
        self._clock_watch = ClockWatch(services.clock.now_ms(), services.clock.steady_s())

    def now(self) -> str:
        return times.format(self._services.clock.now_ms())

    def database_answers(self) -> bool:
        return self._answers(self._dependencies[0])

    def health(self) -> Health:
        database, queues = self._database()
        loops = [LoopHealth(s.name, s.running, s.failures, _time(s.last_failed_at)) for s in self._loops()]
        disk_free_bytes = shutil.disk_usage(self._services.config.storage.data_dir).free
        reasons = list(_reasons(database, loops, disk_free_bytes))
        if jumped := self._clock_watch.check(self._services.clock.now_ms(), self._services.clock.steady_s()):
            reasons.append(jumped)
        impaired = bool(jumped) or (database is not None and _is_impaired(database, disk_free_bytes))
        dependencies = self._states({loop.name for loop in loops if not loop.running}, impaired=impaired)
        if away := self._services.contents.cold.away:
            reasons.append(f"cold storage does not answer: {', '.join(away)}; what is there cannot be read")
        if away or self._services.config.storage.cold:
            dependencies[COLD_STORAGE] = "degraded" if away else "healthy"
        reasons += [f"the {name} does not answer" for name, state in dependencies.items() if state == "unhealthy"]
        if dependencies[RATE_LIMITER] != "healthy":
            reasons.append("requests take nearly all the memory there is for bodies or for large answers")
        return Health(
            status=next(status for status in _WORST if status in dependencies.values()),
            dependencies=dependencies,
            reasons=reasons,
            version=__version__,
            uptime_s=int(monotonic() - self._started_s),
            database=database,
            queues=queues,
            disk_free_bytes=disk_free_bytes,
            cache_bytes=self._services.cache.used_bytes,
            loops=loops,
        )

    def _states(self, down: set[str], *, impaired: bool) -> dict[str, Status]:
        """`down` are the loops that do not run; `impaired`: the database could not store what it should."""
        claimed = {loop for dependency in self._dependencies for loop in dependency.loops}
        states: dict[str, Status] = {}
        for n, dependency in enumerate(self._dependencies):
            unhealthy = down & dependency.loops or (n == 0 and down - claimed)
            healthy: Status = "degraded" if unhealthy or impaired else "healthy"
            states[dependency.name] = healthy if self._answers(dependency) else "unhealthy"
        full = any(budget.used_bytes >= _NEARLY_FULL * budget.limit_bytes for budget in self._budgets)
        states[RATE_LIMITER] = "degraded" if full else "healthy"
        return states

    def _answers(self, dependency: Dependency) -> bool:
        try:
            dependency.probe()
        except DeltaError:
            return False
        return True

    def _database(self) -> tuple[DatabaseStats | None, dict[str, int]]:
        db = self._services.db
        try:
            return db.stats(), {name: db.peek(count) for name, count in self._queues.items()}
        except DeltaError:
            return None, {}

    def readings(self) -> Iterator[Sample]:
        health = self.health()
        yield Sample("delta_up_seconds", "Seconds since the start.", health.uptime_s)
        yield Sample("delta_disk_free_bytes", "Free space where the data is.", health.disk_free_bytes)
        yield Sample("delta_cache_bytes", "Bytes of contents kept in memory.", health.cache_bytes)
        down = sum(not loop.running for loop in health.loops)
        yield Sample("delta_loops_down", "Background loops that are not running.", down)
        for name, waiting in health.queues.items():
            yield Sample(f"delta_{name}", "Rows that wait for the background.", waiting)
        away = bool(self._services.contents.cold.away)
        yield Sample("delta_cold_away", "1 while cold storage does not answer.", away)
        cold = self._services.contents.cold.counts
        for name, help_text, counts in _COLD_METRICS:
            yield Sample(f"delta_cold_{name}", help_text, getattr(cold, name), counts=counts)
        if health.database is not None:
            for name, help_text, counts in _DATABASE_METRICS:
                yield Sample(f"delta_database_{name}", help_text, getattr(health.database, name), counts=counts)
        for samples in self._samples:
            yield from samples(self._services)


def _is_impaired(database: DatabaseStats, disk_free_bytes: int) -> bool:
    return database.last_commit_failed or database.disk_full or disk_free_bytes < LEAST_FREE_BYTES


def _reasons(database: DatabaseStats | None, loops: list[LoopHealth], disk_free_bytes: int) -> Iterator[str]:
    if database is not None and database.last_commit_failed:
        yield "the last write could not be stored: the log says why"
    if database is not None and database.disk_full:
        yield "the disk is full: only deletes are taken until there is room again"
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
    ("disk_full", "1 while the disk is full and only deletes are written.", False),
    ("commit_failures", "Transactions that failed; none of their writes was stored.", True),
)


_COLD_METRICS = (
    # attribute of ColdCounts, help, whether it only ever counts up
    ("objects", "Objects in cold storage that are in use, as of the last minute.", False),
    ("object_bytes", "Their bytes.", False),
    ("free_objects", "Objects in cold storage that wait to be deleted.", False),
    ("requests", "Requests to cold storage for pieces.", True),
    ("read_bytes", "Bytes read from cold storage.", True),
    ("failures", "Requests that cold storage did not answer.", True),
    ("moved_bytes", "Bytes moved into cold storage.", True),
    ("returned_bytes", "Bytes brought back from cold storage.", True),
    ("deleted", "Objects deleted in cold storage.", True),
)


_STATES = {"snapshot_store": "healthy", "event_store": "healthy", "user_store": "healthy", "rate_limiter": "healthy"}
_SUMMARY = {"status": "healthy", "dependencies": _STATES, "timestamp": "2026-05-01T12:00:00.000Z"}
EXAMPLE: dict[str, Any] = {
    "status": "healthy",
    "dependencies": _STATES,
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
        "disk_full": False,
    },
    "queues": {"deltas_pending": 0, "webhook_deliveries_open": 0},
    "disk_free_bytes": 50000000000,
    "cache_bytes": 1048576,
    "loops": [{"name": "compute deltas", "running": True, "failures": 0, "last_failed_at": None}],
}


@get(
    "/healthz",
    summary="Whether server and database answer",
    tags=["Health"],
    opt=example(answer={"status": "ok", "server": "ok", "database": "ok"}),
)
async def healthz(vitals: NamedDependency[Vitals]) -> Response[Alive]:
    """503 when the database does not."""
    if vitals.database_answers():
        return Response(Alive("ok", server="ok", database="ok"))
    return Response(Alive("failing", server="ok", database="failing"), status_code=HTTPStatus.SERVICE_UNAVAILABLE)


@get(
    "/v1/health",
    summary="Health by dependency",
    tags=["Health"],
    opt=example(answer=_SUMMARY),
)
async def health(request: Request[Any, Any, Any], vitals: NamedDependency[Vitals]) -> Response[Summary]:
    """Needs no key. With an account's key the details come too. 503 when a dependency does not answer."""
    with_details = _may_see_details(request)
    found = vitals.health()
    summary = Summary(found.status, found.dependencies, vitals.now(), found if with_details else None)
    return Response(summary, status_code=_http_status(found))


def _may_see_details(request: Request[Any, Any, Any]) -> bool:
    """Raises Unauthorized, and Forbidden for another's project: what is sent is checked as everywhere."""
    scope = cast("Scope", request.scope)
    if not any(name in (b"authorization", b"x-api-key") for name, _ in scope["headers"]):
        return False
    try:
        caller = request.app.state.authenticate(auth.key_of(scope["headers"]), auth.tenants_of(scope["headers"]))
    except Unavailable:
        return False  # the answer will say so
    try:
        auth.check(caller, SERVER)
    except Forbidden:
        return False
    return True


@get(
    "/healthz/details",
    summary="Health in detail: database, queues, disk, background loops",
    tags=["Health"],
    opt=example(answer=EXAMPLE),
)
async def details(vitals: NamedDependency[Vitals]) -> Response[Health]:
    """For account keys: it is about all projects."""
    found = vitals.health()
    return Response(found, status_code=_http_status(found))


def _http_status(found: Health) -> int:
    return HTTPStatus.SERVICE_UNAVAILABLE if found.status == "unhealthy" else HTTPStatus.OK


@get(
    "/metrics",
    summary="Prometheus metrics",
    tags=["Health"],
    media_type=MediaType.TEXT,
    opt=example(answer='delta_http_requests_total{method="GET",route="/v1/snapshots",status="200"} 12.0\n'),
)
async def prometheus(metrics: NamedDependency[Metrics]) -> Response[bytes]:
    return Response(await metrics.text(), media_type=CONTENT_TYPE)


ROUTES = [healthz, health, details, prometheus]
GUARDS: Guards = {
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/healthz/details"): SERVER,
    ("GET", "/v1/health"): PUBLIC,
    ("GET", "/metrics"): SERVER,
}
