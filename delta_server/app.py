"""The only file that knows every part: configuration in, a server out."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import cast

import structlog
from litestar import Litestar
from litestar.exceptions import NotFoundException

from delta_server.config.sections import Config
from delta_server.core.caller import Caller
from delta_server.core.errors import DeltaError, Unavailable
from delta_server.core.query import time_buckets
from delta_server.features.accounts import feature as accounts
from delta_server.features.activity import feature as activity
from delta_server.features.alerts import feature as alerts
from delta_server.features.annotations import feature as annotations
from delta_server.features.anomalies import feature as anomalies
from delta_server.features.audit import feature as audit
from delta_server.features.backups import feature as backups
from delta_server.features.boards import feature as boards
from delta_server.features.cold import feature as cold
from delta_server.features.conflicts import feature as conflicts
from delta_server.features.contents import feature as contents
from delta_server.features.datasets import feature as datasets
from delta_server.features.deltas import feature as deltas
from delta_server.features.devices import feature as devices
from delta_server.features.endpoints import feature as endpoints
from delta_server.features.enforcement import feature as enforcement
from delta_server.features.erasures import feature as erasures
from delta_server.features.event_schemas import feature as event_schemas
from delta_server.features.events import feature as events
from delta_server.features.exports import feature as exports
from delta_server.features.feeds import feature as feeds
from delta_server.features.fields import feature as fields
from delta_server.features.history import feature as history
from delta_server.features.inbound_webhooks import feature as inbound_webhooks
from delta_server.features.instance import feature as instance
from delta_server.features.invitations import feature as invitations
from delta_server.features.lives import feature as lives
from delta_server.features.mails import feature as mails
from delta_server.features.mcp import feature as mcp
from delta_server.features.overview import feature as overview
from delta_server.features.polling import feature as polling
from delta_server.features.polls import feature as polls
from delta_server.features.previews import feature as previews
from delta_server.features.profiles import feature as profiles
from delta_server.features.projects import feature as projects
from delta_server.features.projects import service as projects_service
from delta_server.features.prometheus import feature as prometheus
from delta_server.features.queries import feature as queries
from delta_server.features.registrations import feature as registrations
from delta_server.features.saved_queries import feature as saved_queries
from delta_server.features.schemas import feature as schemas
from delta_server.features.snapshots import feature as snapshots
from delta_server.features.sql import feature as sql
from delta_server.features.stream import feature as stream
from delta_server.features.sync import feature as sync
from delta_server.features.sync_clients import feature as sync_clients
from delta_server.features.trees import feature as trees
from delta_server.features.usage import feature as usage
from delta_server.features.usage import service as usage_service
from delta_server.features.users import feature as users
from delta_server.features.visits import feature as visits
from delta_server.features.webhooks import feature as webhooks
from delta_server.http import asgi, docs, errors, registering, static
from delta_server.http.body import JsonRequest, body_limits
from delta_server.http.dependencies import dependencies
from delta_server.http.edge import Edge
from delta_server.http.feature import Feature, companions_of, sql_views_of
from delta_server.http.gate import Gate
from delta_server.http.guards import Guards, of_family
from delta_server.http.health import Dependency, Vitals
from delta_server.http.metrics import Metrics
from delta_server.http.server_feature import SERVER
from delta_server.services import Services
from delta_server.storage.cache import Cache
from delta_server.storage.cold.pieces import ColdPieces, of_server
from delta_server.storage.contents.content_store import ContentStore
from delta_server.storage.database import Clock, Database
from delta_server.storage.events.duckdb.instance import import_engine
from delta_server.storage.events.ingest import blocks
from delta_server.storage.events.log import EmbeddedEventLog
from delta_server.storage.keyed_locks import KeyedLocks
from delta_server.storage.sqlite.adapter import DATABASE_NAME, SqliteDatabase
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.read_only import ReadOnlyDatabase
from delta_server.storage.system_clock import SystemClock
from delta_server.tasks import commands, jobs, upkeep
from delta_server.tasks.live import OpenStreams
from delta_server.tasks.loops import Supervisor
from delta_server.tasks.periodic import Periodic, as_loop
from delta_server.tasks.pools import Pools
from delta_server.tasks.threads import OneAtATime
from delta_server.tasks.topics import Topics

log = structlog.get_logger("delta.app")

FEATURES = [
    SERVER,
    audit.FEATURE,
    accounts.FEATURE,
    mails.FEATURE,
    users.FEATURE,
    registrations.FEATURE,
    projects.FEATURE,
    invitations.FEATURE,
    polling.FEATURE,
    usage.FEATURE,
    endpoints.FEATURE,
    enforcement.FEATURE,
    contents.FEATURE,
    cold.FEATURE,
    fields.FEATURE,
    lives.FEATURE,
    activity.FEATURE,
    deltas.FEATURE,
    snapshots.FEATURE,
    polls.FEATURE,
    history.FEATURE,
    schemas.FEATURE,
    previews.FEATURE,
    overview.FEATURE,
    trees.FEATURE,
    profiles.FEATURE,
    events.FEATURE,
    event_schemas.FEATURE,
    visits.FEATURE,
    queries.FEATURE,
    mcp.FEATURE,
    prometheus.FEATURE,
    sql.FEATURE,
    saved_queries.FEATURE,
    annotations.FEATURE,
    boards.FEATURE,
    erasures.FEATURE,
    inbound_webhooks.FEATURE,
    feeds.FEATURE,
    exports.FEATURE,
    stream.FEATURE,
    webhooks.FEATURE,
    anomalies.FEATURE,
    alerts.FEATURE,
    conflicts.FEATURE,
    devices.FEATURE,
    sync.FEATURE,
    sync_clients.FEATURE,
    datasets.FEATURE,
    backups.FEATURE,
    instance.FEATURE,
]
"""Each may use the services of those before it."""

CHECKSUMMED = [table for feature in FEATURES for table in feature.checksummed]

COMMANDS = {name: command for feature in FEATURES for name, command in feature.commands.items()}
"""What a running server carries out for the command line."""


def guards_of(features: Sequence[Feature]) -> Guards:
    return {
        route: access
        for feature in features
        for route, access in of_family(feature.guards, feature.family or feature.name).items()
    }


class Application:
    """The ASGI application. `litestar` and `services` (while it runs) are there for tests and commands."""

    def __init__(self, litestar: Litestar, edge: Edge, features: Sequence[Feature]) -> None:
        self.litestar = litestar
        self.edge = edge
        self._features = features

    @property
    def services(self) -> Services:
        return cast("Services", self.litestar.state.services)

    def stop_streams(self) -> None:
        """End the answers that would stay open: the server is about to go down."""
        for feature in self._features:
            if feature.end_streams is not None:
                feature.end_streams(self.services)

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await self.edge(scope, receive, send)


def build(
    config: Config,
    *,
    clock: Clock | None = None,
    tuning: Tuning | None = None,
    features: Sequence[Feature] = FEATURES,
    litestar: Litestar | None = None,
) -> Application:
    """The server's application. Opens nothing yet; that is the lifespan's part.

    Raises UnguardedRoute when a route is in no table of guards. `tuning` is for tests, and so is `litestar`: one that
    `routed` made for such a config and these features, and that is not running.
    """
    clock, metrics = clock or SystemClock(), Metrics()
    litestar = litestar or routed(config, features)

    @asynccontextmanager
    async def running(app: Litestar) -> AsyncIterator[None]:
        # Beside the opening; on the loop, the first question would hold everybody up.
        zones = asyncio.get_running_loop().run_in_executor(None, time_buckets.time_zone_names)
        async with open_services(config, clock, tuning=tuning, features=features) as services:
            app.state.services = services
            await zones
            async with _background(services, features) as supervisor:
                app.state.vitals = vitals = _vitals(services, supervisor, edge, features)
                metrics.watch(vitals.readings)
                if await services.db.read(blocks.last_seq):
                    asyncio.get_running_loop().run_in_executor(None, import_engine)
                async with commands.serving(config.storage.data_dir, COMMANDS, services):
                    yield
            await _at_end(services, features)

    litestar.state.metrics = metrics
    litestar.state.running = running
    edge = Edge(cast("asgi.App", litestar), config=config, clock=clock, metrics=metrics)
    return Application(litestar, edge, features)


def routed(config: Config, features: Sequence[Feature] = FEATURES) -> Litestar:
    """All routes behind their guards: nine tenths of the time it takes to make an application."""
    guards = guards_of(features)
    every = (route for feature in features for route in feature.routes)
    routes = [route for route in every if config.server.docs or route not in docs.ROUTES]
    opened = {("GET", "/metrics")} if config.server.metrics_public else set()

    def authenticate(key: str, named: Sequence[str] = (), *, deleted: bool = False) -> Caller:
        services: Services = litestar.state.services
        caller = projects_service.caller_within(services, key, named, deleted=deleted)
        if caller.project is not None:
            services.fair_cpu.callers.note(caller.project)
        return caller

    gate = Gate(authenticate, guards=guards, body_limits=body_limits(config), opened=opened)
    litestar = registering.PlainLitestar(
        dependencies=dependencies(lambda: litestar.state),
        exception_handlers={Exception: errors.to_response, NotFoundException: static.not_found},
        before_request=gate,
        lifespan=[lambda app: app.state.running(app)],
        logging_config=None,
        openapi_config=docs.openapi_config(),
        request_class=JsonRequest,
        request_max_body_size=None,  # the edge counts, before and after decoding
    )
    registering.register(litestar, routes)
    litestar.state.authenticate = authenticate
    litestar.state.guards = guards
    litestar.state.path_parameters = {
        name: said for feature in features for name, said in feature.path_parameters.items()
    }
    litestar.state.problem_forms = [feature.problem_form for feature in features if feature.problem_form]
    litestar.state.fields = {name: said for feature in features for name, said in feature.fields.items()}
    gate.learn(litestar)
    return litestar


def health_by(services: Services, features: Sequence[Feature] = FEATURES) -> tuple[Dependency, ...]:
    return tuple(feature.health(services) for feature in features if feature.health is not None)


def _vitals(services: Services, supervisor: Supervisor, edge: Edge, features: Sequence[Feature]) -> Vitals:
    queues = {name: count for feature in features for name, count in feature.queues.items()}
    budgets = [edge.budgets.bodies, edge.budgets.answers]
    probes, samples = health_by(services, features), [each.samples for each in features if each.samples is not None]
    return Vitals(services, supervisor.states, queues, dependencies=probes, budgets=budgets, samples=samples)


@asynccontextmanager
async def open_services(
    config: Config, clock: Clock | None = None, *, tuning: Tuning | None = None, features: Sequence[Feature] = FEATURES
) -> AsyncIterator[Services]:
    """Everything handlers, tasks and commands are handed, without HTTP and without background loops."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as opened:
        db = SqliteDatabase.open(config.storage, clock, tuning=tuning)
        opened.push_async_callback(db.close)
        pools = Pools.start(os.cpu_count() or 2, answer_s=config.limits.answer_seconds)
        opened.push_async_callback(pools.close)
        pieces = of_server(config.storage, clock)
        eventlog = await EmbeddedEventLog.open(
            config,
            db,
            clock,
            cpu=pools.cpu,
            spare_cpu=pools.spare_cpu,
            batch_cpu=pools.event_cpu,
            views=sql_views_of(features),
            companions=companions_of(features),
            admit=usage_service.admission(config.plans),
            callers=pools.fair_cpu.callers,
            cold=pieces,
        )
        opened.push_async_callback(eventlog.close)
        yield _services(config, db, clock, pools, eventlog, pieces, features)


def _services(
    config: Config,
    db: Database,
    clock: Clock,
    pools: Pools,
    eventlog: EmbeddedEventLog,
    pieces: ColdPieces,
    features: Sequence[Feature],
) -> Services:
    topics = Topics()
    cache = Cache(config.storage.cache_bytes)
    return Services(
        config=config,
        db=db,
        clock=clock,
        cpu=pools.cpu,
        large_cpu=pools.large_cpu,
        one_cpu=OneAtATime(pools.large_cpu, seconds=config.limits.request_seconds, callers=pools.fair_cpu.callers),
        spare_cpu=pools.spare_cpu,
        fair_cpu=pools.fair_cpu,
        processes=pools.processes,
        batch_processes=pools.batch_processes,
        cache=cache,
        contents=ContentStore(db, cache, config.packs, clock, pools.cpu, pools.spare_cpu, pieces),
        event_writer=eventlog,
        event_reader=eventlog,
        event_maintenance=eventlog,
        person_locks=KeyedLocks(),
        topics=topics,
        live=OpenStreams(config.limits.streams, topics),
        cascades=[cascade for feature in reversed(features) for cascade in feature.cascades],
    )


@asynccontextmanager
async def open_for_reading(config: Config, clock: Clock | None = None) -> AsyncIterator[Services]:
    """As `open_services`, for commands that only read: beside a running server too."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as opened:
        db = ReadOnlyDatabase(config.storage.data_dir / DATABASE_NAME, config.storage, clock, Tuning())
        opened.push_async_callback(db.close)
        pools = Pools.start_few(answer_s=config.limits.answer_seconds)
        opened.push_async_callback(pools.close)
        pieces = of_server(config.storage, clock)
        eventlog = EmbeddedEventLog.for_reading(config, db, clock, cpu=pools.cpu, cold=pieces)
        opened.push_async_callback(eventlog.close)
        yield _services(config, db, clock, pools, eventlog, pieces, FEATURES)


@asynccontextmanager
async def _background(services: Services, features: Sequence[Feature]) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(services.clock.now_ms)
    for feature in features:
        try:
            if feature.at_start is not None:
                await feature.at_start(services)
        except Unavailable as error:  # a full disk can still be read from
            log.warning("a feature's startup step failed", feature=feature.name, reason=error.message)
    checkpoint_s = services.config.storage.checkpoint_seconds
    periodic = [
        *(each for feature in features for each in feature.periodic),
        Periodic("make room on a full disk", partial(_make_room, features=features), every_s=10),
        Periodic("checkpoint the write-ahead log", upkeep.checkpoint, every_s=checkpoint_s),
    ]
    loops = [loop for feature in features for loop in feature.loops]
    loops += [jobs.as_loop(kind) for feature in features for kind in feature.jobs]
    supervisor.start([*loops, *map(as_loop, periodic)], services)
    try:
        yield supervisor
    finally:
        await supervisor.stop()


async def _make_room(services: Services, features: Sequence[Feature] = FEATURES) -> None:
    """On a full disk nobody waits for the hour: what was deleted gives its space back now."""
    if not services.db.stats().disk_full:
        return
    for feature in features:
        if feature.make_room is not None:
            await feature.make_room(services)
    with suppress(Unavailable):  # there is no room for the log yet: each delete makes it more likely
        await services.db.checkpoint()


async def _at_end(services: Services, features: Sequence[Feature]) -> None:
    """What the periodic tasks would have written within a minute. Not worth a failed shutdown."""
    for feature in features:
        try:
            if feature.at_end is not None:
                await feature.at_end(services)
        except DeltaError as error:
            log.warning("a feature's shutdown step failed", feature=feature.name, reason=error.message)
