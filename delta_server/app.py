"""The only file that knows every part: configuration in, a server out."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

import structlog
from litestar import Litestar
from litestar.types import ControllerRouterHandler

from delta_server.config import Config
from delta_server.core import intervals
from delta_server.core.errors import DeltaError, Unavailable
from delta_server.features.accounts import api as accounts_api
from delta_server.features.accounts import tasks as accounts_tasks
from delta_server.features.analytics import api as analytics_api
from delta_server.features.backups import api as backups_api
from delta_server.features.behaviour import api as behaviour_api
from delta_server.features.contents import service as contents
from delta_server.features.contents import tasks as contents_tasks
from delta_server.features.deltas import api as deltas_api
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas import tasks as deltas_tasks
from delta_server.features.endpoints import api as endpoints_api
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints import tasks as endpoints_tasks
from delta_server.features.events import api as events_api
from delta_server.features.events import retention_api
from delta_server.features.events import tasks as events_tasks
from delta_server.features.exports import api as exports_api
from delta_server.features.fields import tasks as fields_tasks
from delta_server.features.history import api as history_api
from delta_server.features.profiles import service as profiles
from delta_server.features.projects import api as projects_api
from delta_server.features.projects import service as projects
from delta_server.features.projects import tasks as projects_tasks
from delta_server.features.snapshots import api as snapshots_api
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots import tasks as snapshots_tasks
from delta_server.features.statements import api as statements_api
from delta_server.features.stream import api as stream_api
from delta_server.features.users import api as users_api
from delta_server.features.users import service as users
from delta_server.features.users import tasks as users_tasks
from delta_server.http import asgi, docs, errors, health, idempotency
from delta_server.http.auth import Caller
from delta_server.http.body import MAX_TYPED_BYTES, JsonRequest
from delta_server.http.dependencies import DEPENDENCIES
from delta_server.http.edge import Edge
from delta_server.http.exchange import BodyLimit
from delta_server.http.gate import Gate
from delta_server.http.guards import Body
from delta_server.http.health import Dependency, Vitals
from delta_server.http.metrics import Metrics
from delta_server.services import Services
from delta_server.storage.backup_stream import BackupStream
from delta_server.storage.cache import Cache
from delta_server.storage.connection import Tuning
from delta_server.storage.database import Clock, Database, Threads, Tx
from delta_server.storage.eventlog import EventLog
from delta_server.storage.events.instance import import_engine
from delta_server.storage.events.log import EmbeddedEventLog
from delta_server.storage.keyed_locks import KeyedLocks
from delta_server.storage.reading_only import ReadOnlyDatabase
from delta_server.storage.sqlite import DATABASE_NAME, SqliteDatabase
from delta_server.tasks.live import Live
from delta_server.tasks.loops import Loop, Supervisor
from delta_server.tasks.periodic import Periodic, as_loop
from delta_server.tasks.processes import Processes
from delta_server.tasks.signals import Signal
from delta_server.tasks.threads import Cpu, FairCpu

log = structlog.get_logger("delta.app")

ROUTES: list[ControllerRouterHandler] = [
    *health.ROUTES,
    *accounts_api.ROUTES,
    *projects_api.ROUTES,
    *endpoints_api.ROUTES,
    *snapshots_api.ROUTES,
    *deltas_api.ROUTES,
    *history_api.ROUTES,
    *events_api.ROUTES,
    *retention_api.ROUTES,
    *analytics_api.ROUTES,
    *behaviour_api.ROUTES,
    *statements_api.ROUTES,
    *users_api.ROUTES,
    *exports_api.ROUTES,
    *stream_api.ROUTES,
    *backups_api.ROUTES,
]

LOOPS: list[Loop[Services]] = [
    Loop("compute deltas", deltas_tasks.compute),
    Loop("pack what new contents fill", contents_tasks.keep_packed),
    Loop("seal new events", events_tasks.seal),
    Loop("look after people", users_tasks.look_after_people),
]


async def _checkpoint(services: Services) -> None:
    await services.db.checkpoint()


async def _retain(services: Services) -> None:
    """The sweep comes right behind: what no rule keeps any more gives its space back at once."""
    await snapshots_tasks.retain(services)
    await contents_tasks.sweep(services)


async def _make_room(services: Services) -> None:
    """On a full disk nobody waits for the hour: what was deleted gives its space back now."""
    if services.db.stats().disk_full:
        await remove_deleted_endpoints(services)
        await remove_deleted_projects(services)
        await contents_tasks.sweep(services)
        await services.db.checkpoint()


async def _optimize(services: Services) -> None:
    await services.db.optimize()


OWNED_BY_ENDPOINTS = [snapshots.delete_some, deltas.delete_some, contents.delete_some]
"""What deletes a deleted endpoint's rows, in this order."""


async def remove_deleted_endpoints(services: Services) -> None:
    await endpoints_tasks.remove_deleted(services, OWNED_BY_ENDPOINTS)


OWNED_BY_PROJECTS: list[projects_tasks.DeleteSome] = [users.delete_some, profiles.delete_some]
"""What deletes a deleted project's rows that hang on no endpoint, in this order."""


async def remove_deleted_projects(services: Services) -> None:
    await projects_tasks.remove_deleted(services, [*OWNED_BY_PROJECTS, services.eventlog.delete_some])


PERIODIC: list[Periodic[Services]] = [
    Periodic("pack loose contents", contents_tasks.pack, every_s=3600),
    Periodic("merge old packs", contents_tasks.merge, every_s=3600),
    Periodic("remove deleted endpoints", remove_deleted_endpoints, every_s=600),
    Periodic("make chunks of when fields changed", fields_tasks.compact, every_s=86_400),
    Periodic("sweep dead contents", contents_tasks.sweep, every_s=600),
    Periodic("look how the tables have grown", _optimize, every_s=3600),
    Periodic("write when keys were last used", accounts_tasks.write_last_uses, every_s=60),
    Periodic("remove deleted projects", remove_deleted_projects, every_s=60),
    Periodic("make room on a full disk", _make_room, every_s=10),
    Periodic("apply retention", _retain, every_s=3600),
    Periodic("roll up, merge and let go of events", events_tasks.tend, every_s=60),
    Periodic("forget old idempotency keys", idempotency.forget, every_s=3600),
]

_FOR_EVENTS = frozenset({"seal new events", "roll up, merge and let go of events"})
_FOR_USERS = frozenset({"look after people"})


def health_by(services: Services) -> tuple[Dependency, ...]:
    """What health is told by. No project has the number 0: these read what is to be read for nobody."""
    return (
        Dependency("snapshot_store", lambda tx: endpoints.find_or_name(tx, 0, "none")),
        Dependency("event_store", lambda tx: services.eventlog.reach(tx, 0), _FOR_EVENTS),
        Dependency("user_store", lambda tx: profiles.find(tx, 0, "user", ""), _FOR_USERS),
    )


QUEUES: dict[str, Callable[[Tx], int]] = {"deltas_pending": deltas.queue_length}
"""Rows that wait for the background, for health and metrics."""


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class Application:
    """The ASGI application. `litestar` and `services` (while it runs) are there for tests and commands."""

    def __init__(self, litestar: Litestar, edge: Edge) -> None:
        self.litestar = litestar
        self.edge = edge

    @property
    def services(self) -> Services:
        found: Services = self.litestar.state.services
        return found

    def stop_streams(self) -> None:
        """End the answers that would stay open: the server is about to go down."""
        self.services.live.stop()
        self.services.backups.stop()

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await self.edge(scope, receive, send)


def build(
    config: Config,
    *,
    clock: Clock | None = None,
    tuning: Tuning | None = None,
    litestar: Litestar | None = None,
) -> Application:
    """The server's application. Opens nothing yet; that is the lifespan's part.

    Raises UnguardedRoute when a route is missing from the table of guards. `tuning` is for tests, and so is `litestar`:
    one that `routed` made for such a config and that is not running.
    """
    clock = clock or SystemClock()
    metrics = Metrics()
    litestar = litestar or routed(config)

    @asynccontextmanager
    async def running(app: Litestar) -> AsyncIterator[None]:
        async with open_services(config, clock, tuning=tuning) as services:
            app.state.services = services
            await asyncio.to_thread(intervals.zones)  # on the loop, the first question would hold everybody up
            async with _background(services) as supervisor:
                app.state.vitals = vitals = _vitals(services, supervisor, edge)
                metrics.watch(vitals.readings)
                asyncio.get_running_loop().run_in_executor(None, import_engine)
                yield
            await _last_words(services)

    litestar.state.metrics = metrics
    litestar.state.running = running
    edge = Edge(cast("asgi.App", litestar), config=config, clock=clock, metrics=metrics)
    return Application(litestar, edge)


def routed(config: Config, more_routes: Sequence[ControllerRouterHandler] = ()) -> Litestar:
    """All routes behind their guards: nine tenths of the time it takes to make an application. `more_routes` are for
    tests."""
    opened = {("GET", "/metrics")} if config.server.metrics_public else set()

    def authenticate(key: str, named: Sequence[str] = ()) -> Caller:
        return projects.speak_for(litestar.state.services, key, named)

    gate = Gate(authenticate, body_limits=_body_limits(config), opened=opened)
    litestar = Litestar(
        [*ROUTES, *more_routes, *(docs.ROUTES if config.server.docs else ())],
        dependencies=DEPENDENCIES,
        exception_handlers={Exception: errors.to_response},
        guards=[gate],
        before_request=gate.options,
        lifespan=[lambda app: app.state.running(app)],
        logging_config=None,
        openapi_config=docs.openapi_config(),
        request_class=JsonRequest,
        request_max_body_size=None,  # the edge counts, before and after decoding
    )
    litestar.state.authenticate = authenticate
    gate.learn(litestar)
    return litestar


def _vitals(services: Services, supervisor: Supervisor, edge: Edge) -> Vitals:
    budgets = [edge.budgets.bodies, edge.budgets.answers]
    return Vitals(services, supervisor.states, QUEUES, dependencies=health_by(services), budgets=budgets)


def _body_limits(config: Config) -> dict[Body, BodyLimit]:
    return {
        "typed": BodyLimit(MAX_TYPED_BYTES),
        "document": BodyLimit(config.limits.request_bytes, "limits.request_bytes"),
        "events": BodyLimit(config.events.request_bytes, "events.request_bytes"),
    }


@asynccontextmanager
async def open_services(
    config: Config, clock: Clock | None = None, *, tuning: Tuning | None = None
) -> AsyncIterator[Services]:
    """Everything handlers, tasks and commands are handed, without HTTP and without background loops."""
    clock = clock or SystemClock()
    cores = os.cpu_count() or 2
    async with AsyncExitStack() as opened:
        db = SqliteDatabase.open(config.storage, clock, tuning=tuning)
        opened.push_async_callback(db.close)
        cpu, spare_cpu = Cpu(min(8, cores + 1), "cpu"), Cpu(min(8, cores), "spare-cpu")
        opened.push_async_callback(cpu.close)
        opened.push_async_callback(spare_cpu.close)
        fair_cpu = FairCpu(min(8, cores + 1), "fair-cpu", seconds=config.limits.answer_seconds)
        opened.push_async_callback(fair_cpu.close)
        processes = Processes(min(8, cores + 1))
        opened.push_async_callback(processes.close)
        eventlog = await EmbeddedEventLog.open(config, db, clock, cpu=cpu, spare_cpu=spare_cpu)
        opened.push_async_callback(eventlog.close)
        yield _services(config, db, clock, (cpu, spare_cpu, fair_cpu, processes), eventlog)


def _services(
    config: Config, db: Database, clock: Clock, threads: tuple[Threads, Threads, FairCpu, Threads], eventlog: EventLog
) -> Services:
    cpu, spare_cpu, fair_cpu, processes = threads
    return Services(
        config=config,
        db=db,
        clock=clock,
        cpu=cpu,
        spare_cpu=spare_cpu,
        fair_cpu=fair_cpu,
        processes=processes,
        cache=Cache(config.storage.cache_bytes),
        eventlog=eventlog,
        endpoint_locks=KeyedLocks(),
        person_locks=KeyedLocks(),
        contents_changed=Signal(),
        live=Live(config.limits.streams),
        backups=BackupStream(config.storage.data_dir / DATABASE_NAME, wal_bytes=config.storage.wal_bytes),
        erasures_requested=Signal(),
    )


@asynccontextmanager
async def open_for_reading(config: Config, clock: Clock | None = None) -> AsyncIterator[Services]:
    """As `open_services`, for commands that only read: beside a running server too."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as opened:
        database = config.storage.data_dir / DATABASE_NAME
        db = ReadOnlyDatabase(database, config.storage, clock, Tuning())
        opened.push_async_callback(db.close)
        cpu = Cpu(2, "cpu")
        opened.push_async_callback(cpu.close)
        eventlog = EmbeddedEventLog.for_reading(config, db, clock, cpu=cpu)
        opened.push_async_callback(eventlog.close)
        fair_cpu = FairCpu(2, "fair-cpu", seconds=config.limits.answer_seconds)
        opened.push_async_callback(fair_cpu.close)
        processes = Processes(2)
        opened.push_async_callback(processes.close)
        yield _services(config, db, clock, (cpu, cpu, fair_cpu, processes), eventlog)


@asynccontextmanager
async def _background(services: Services) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(services.clock.now_ms)
    services.backups.forget_broken_off()
    try:
        await services.db.write(deltas.retry_failed)
    except Unavailable as error:  # a full disk can still be read from
        log.warning("deltas that failed are not tried again", reason=error.message)
    checkpoint = Periodic("write the log back", _checkpoint, every_s=services.config.storage.checkpoint_seconds)
    supervisor.start([*LOOPS, *map(as_loop, [*PERIODIC, checkpoint])], services)
    try:
        yield supervisor
    finally:
        await supervisor.stop()


async def _last_words(services: Services) -> None:
    """What the periodic tasks would have written within a minute. Not worth a failed shutdown."""
    try:
        await accounts_tasks.write_last_uses(services)
    except DeltaError as error:
        log.warning("when keys were last used is lost", reason=error.message)
