"""What most tests stand on: the real application over a real SQLite in a temporary directory, with a clock that stands
still, and the keys of two tenants.

`services` is without HTTP and without background loops; `app` and `client` are the whole server. They use the same
directory, so a test takes one or the other: with `app`, the services are `app.services`.
"""

import asyncio
import functools
import gc
import os
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import msgspec
import pytest
import pytest_asyncio
import structlog
from litestar import Litestar

from delta_server import app as delta_app
from delta_server.app import Application
from delta_server.config.sections import Config, Log
from delta_server.core import secrets
from delta_server.core.errors import DeltaError
from delta_server.features.accounts import service as accounts
from delta_server.features.accounts import store as account_rows
from delta_server.features.projects import service as projects
from delta_server.http.feature import Feature
from delta_server.services import Services
from delta_server.storage import child_process, priority
from delta_server.storage.database import Tx
from delta_server.storage.rowdelta import assistant
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.options import Storage
from delta_server.tasks import processes
from tests import event_loop, secret_sweep
from tests.by_file import pytest_collect_file as pytest_collect_file
from tests.by_file import pytest_configure_node as pytest_configure_node
from tests.by_file import pytest_runtest_protocol as pytest_runtest_protocol
from tests.by_file import pytest_sessionstart as pytest_sessionstart
from tests.cheap_passwords import hash_cheaply
from tests.no_skips import pytest_runtest_makereport as pytest_runtest_makereport
from tests.often import FUZZ
from tests.patience import let_clients_wait, let_servers_wait
from tests.secret_sweep import SWEEP
from tests.started import Workers, options_of_routes
from tests.storage.opened import FAST, FakeClock, begin
from tests.temporary import pytest_configure as pytest_configure
from tests.temporary import pytest_sessionfinish as pytest_sessionfinish

# A deadline is a wall clock's, which a busy machine misses; a failure prints what runs it again. Each run tries others.
hypothesis.settings.register_profile("delta", deadline=None, print_blob=True, max_examples=40 * FUZZ)
hypothesis.settings.load_profile("delta")


# What computes behind requests steps back for them (storage/priority.py), and would wait here until the other workers
# of a run have nothing left to do: all of it is equal, in the processes that tests start too. Without other workers,
# as in the soak, they step back as they do for users.
if sys.platform == "linux" and "PYTEST_XDIST_WORKER" in os.environ:
    os.setpriority(os.PRIO_PROCESS, 0, max(priority.NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))

# What is collected stays (see pytest_collection_finish): looking through it meanwhile takes each process a second.
gc.disable()

# Whatever the shell says: servers and workers that tests start begin sooner with compiled modules, and so do tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Workers of servers in this process begin as copies of one that has imported what they are: half a second less each.
START_WORKERS = (assistant, child_process, processes)
if sys.platform == "linux":
    for starting in START_WORKERS:
        starting.subprocess = Workers  # type: ignore[attr-defined]  # in place of the module

# As the server's own log is: structlog's default draws tracebacks with rich, for 70 ms on the event loop.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(),
        SWEEP.log_line,
    ]
)
secret_sweep.install()

hash_cheaply()
let_servers_wait()
let_clients_wait()

# One context of TLS for all clients: each took 16 ms, and hardly one speaks to https.
httpx._transports.default.create_ssl_context = functools.cache(httpx.create_ssl_context)  # type: ignore[attr-defined]  # a name of httpx' own


LONGEST = (
    "tests/browser/test_all_pages.py",
    "tests/test_bench.py",
    "tests/storage/events/rollups/test_rollup.py",
    "tests/storage/events/sql/test_runner.py",
    "tests/hostile/test_every_route.py",
    "tests/hostile/test_described.py",
    "tests/features/test_",
    "tests/crash/test_kill_background.py",
)
LONG = (
    "tests/browser/",
    "tests/cli/",
    "tests/clients/",
    "tests/core/diff/test_diff_memory.py",
    "tests/crash/",
    "tests/features/erasures/",
    "tests/features/event_schemas/",
    "tests/features/exports/",
    "tests/features/queries/",
    "tests/features/users/test_oidc.py",
    "tests/hostile/",
    "tests/storage/",
    "tests/test_architecture.py",
)
"""Where files of five seconds and more are. A run shares out whole files in their order: the longest are begun first,
so that no worker waits for the end of another, and those that wait for a browser or a process stand among those that
compute."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[int, int]:
    file = item.nodeid.partition("::")[0]
    turn = next((turn for turn, place in enumerate(LONGEST) if file.startswith(place)), len(LONGEST))
    if turn == len(LONGEST) and not file.startswith(LONG):
        return turn + 1, 0
    return turn, zlib.crc32(file.encode())


def pytest_collection_finish() -> None:
    """What stays until the end is not looked through again and again: a third of the time of small tests."""
    gc.freeze()
    gc.set_threshold(20_000)  # of the tests themselves: a thirtieth of the time
    gc.enable()


def pytest_unconfigure() -> None:
    """DuckDB's binding tells of leaks where garbage is still frozen at the end."""
    gc.unfreeze()


@pytest.fixture(scope="module", autouse=True)
def secrets_of_module() -> None:
    SWEEP.begin_module()


@pytest.fixture(autouse=True)
def no_leaked_secrets() -> Iterator[None]:
    """Fails the test that used a secret which stands in a log, the audit log or a failed request's answer."""
    SWEEP.begin()
    yield
    SWEEP.check()


class Keys(msgspec.Struct, frozen=True):
    """Texts of keys. `project` is the first tenant's, with all scopes; `other` is the second's.

    `ingest` is the first tenant's public one, good on any site.
    """

    project: str
    read: str
    write: str
    ingest: str
    other: str
    account: str
    revoked: str
    expired: str


@pytest.fixture
def whole_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers start Python anew, as those of a server do: for tests of just that."""
    for starting in START_WORKERS:
        monkeypatch.setattr(starting, "subprocess", subprocess)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def config_in(folder: Path) -> Config:
    """With two readers: each of four would read the schema, a tenth of the time that a server takes to start."""
    return Config(storage=Storage(data_dir=folder / "data", readers=2), log=Log(level="error"))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return config_in(tmp_path)


@pytest.fixture
async def services(config: Config, clock: FakeClock) -> AsyncIterator[Services]:
    begin(config.storage.data_dir)
    async with delta_app.open_services(config, clock, tuning=FAST) as opened:
        yield opened


@pytest.fixture
def most_loop_ms() -> float:
    """How long one callback of the server may take; the tests of just that have a stricter one."""
    return event_loop.ORDINARY_MS


@pytest.fixture
def loop_guard(most_loop_ms: float) -> Iterator[event_loop.Guard]:
    """Fails the test when the server kept the event loop for too long."""
    with event_loop.Guard().watching(most_loop_ms) as guard:
        yield guard
    guard.check(most_loop_ms)


@pytest.fixture
async def app(config: Config, clock: FakeClock, loop_guard: event_loop.Guard) -> AsyncIterator[Application]:
    async with started(built(config, clock)) as application:
        loop_guard.too_long.clear()  # of the start: nobody is served yet
        yield application


@pytest.fixture
async def client(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    """Talks to `app` without a socket and without a key; send one with `headers=bearer(keys.project)`."""
    async with client_of(app) as opened:
        yield opened


@pytest.fixture
async def keys(app: Application, clock: FakeClock) -> Keys:
    return await make_keys(app.services, clock)


# One server for all tests of a module that change nothing which the next of them sees, as refusals do: a case of a
# table takes 2 ms then instead of 30. Such tests are marked `shared`, for they run on the module's event loop.

SHARED = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("loop_guard")]
shared_fixture = pytest_asyncio.fixture(scope="module", loop_scope="module")


def shared(test: Callable[..., Any]) -> Callable[..., Any]:
    for mark in SHARED:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def shared_clock() -> FakeClock:
    return FakeClock()


@shared_fixture
async def shared_app(
    tmp_path_factory: pytest.TempPathFactory, shared_clock: FakeClock, secrets_of_module: None
) -> AsyncIterator[Application]:
    async with started_in(tmp_path_factory.mktemp("shared"), shared_clock) as application:
        yield application
    SWEEP.check()


@asynccontextmanager
async def started_in(folder: Path, clock: FakeClock) -> AsyncIterator[Application]:
    async with started(built(config_in(folder), clock)) as application:
        yield application


@shared_fixture
async def shared_client(shared_app: Application) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(shared_app) as opened:
        yield opened


@shared_fixture
async def shared_keys(shared_app: Application, shared_clock: FakeClock) -> Keys:
    return await make_keys(shared_app.services, shared_clock)


@pytest_asyncio.fixture(loop_scope="module")
async def own_keys(shared_app: Application, shared_clock: FakeClock) -> Keys:
    """As `shared_keys`, of an account that only this test has: for tests that change what only their tenant sees."""
    return await make_keys(shared_app.services, shared_clock, account=f"of {os.urandom(8).hex()}")


_routed: dict[str, list[Litestar]] = {}
_running: set[int] = set()


def built(
    config: Config, clock: FakeClock | None, features: Sequence[Feature] = delta_app.FEATURES, *, tuning: Tuning = FAST
) -> Application:
    """The application of `config`, on routes that a test before has made: half a second of processor time for each
    of two thousand."""
    begin(config.storage.data_dir)
    of_routes = options_of_routes(config)
    made = _routed.setdefault(repr((of_routes, [feature.name for feature in features])), [])
    litestar = next((each for each in made if id(each) not in _running), None)
    if litestar is None:
        made.append(litestar := delta_app.routed(of_routes, features))
    return delta_app.build(config, clock=clock, tuning=tuning, features=features, litestar=litestar)


@asynccontextmanager
async def started(application: Application) -> AsyncIterator[Application]:
    """Its lifespan in a task of its own: Litestar wants to end it in the task that began it, fixtures do not."""
    ready, stop = asyncio.Event(), asyncio.Event()
    routes = id(application.litestar)
    _running.add(routes)

    async def live() -> None:
        async with application.litestar.lifespan():
            ready.set()
            await stop.wait()

    with event_loop.of_the_server():
        task = asyncio.create_task(live())
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        if task.done():
            await task
        yield application
        note_audit_log(application)
    finally:
        stop.set()
        await asyncio.wait({task})
        _running.discard(routes)


def note_audit_log(application: Application) -> None:
    with suppress(DeltaError):  # of a test that has damaged the database
        for row in application.services.db.peek(lambda tx: tx.all("SELECT * FROM audit")):
            SWEEP.write("the audit log", repr(row))


def client_of(application: Application) -> httpx.AsyncClient:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        """In a task of its own, as under a server."""
        with event_loop.of_the_server():
            task = asyncio.create_task(application(scope, receive, send))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise

    return httpx.AsyncClient(transport=httpx.ASGITransport(answer), base_url="http://delta.test")


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def make_keys(services: Services, clock: FakeClock, *, account: str | None = None) -> Keys:
    """Of the account that a server has, or of a new one."""
    made = await services.db.write(_make_keys, account)
    clock.advance(2)  # past the end of the expired one
    return made


def _make_keys(tx: Tx, named: str | None) -> Keys:
    account = accounts.default_account(tx) if named is None else account_rows.insert_account(tx, named)
    mine, other = projects.ensure(tx, account, "mine").id, projects.ensure(tx, account, "other").id

    def key(project: int | None, scopes: Sequence[str], expires_at: int | None = None) -> str:
        randomness = os.urandom(secrets.RANDOM_BYTES)
        return accounts.add_key(tx, account, project, randomness=randomness, scopes=scopes, expires_at=expires_at)

    revoked = key(mine, ["admin"])
    accounts.revoke_key(tx, account, mine, secrets.parse(revoked).public_id)
    return Keys(
        project=key(mine, ["admin"]),
        read=key(mine, ["read"]),
        write=key(mine, ["write"]),
        ingest=accounts.add_write_key(tx, account, mine, randomness=os.urandom(secrets.RANDOM_BYTES)),
        other=key(other, ["admin"]),
        account=key(None, ["admin"]),
        revoked=revoked,
        expired=key(mine, ["admin"], tx.now_ms + 1),
    )
