"""Fixtures for a file whose tests share one server, each as a tenant of its own: with `pytestmark = SHARED` its `app`,
`client`, `keys` and `clock` are these if it imports them. The clock begins anew for each. One that is marked `alone`
has a new server, for it looks at all of one, or changes it."""

import os
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from delta_server.app import Application
from delta_server.config.sections import Config
from tests import event_loop
from tests.conftest import Keys, built, client_of, make_keys, started
from tests.storage.opened import START_MS, FakeClock

alone = pytest.mark.alone


@pytest.fixture
def clock(request: pytest.FixtureRequest, shared_clock: FakeClock) -> Iterator[FakeClock]:
    if _is_alone(request):
        yield FakeClock()
        return
    before, shared_clock.time_ms = shared_clock.time_ms, START_MS
    yield shared_clock
    shared_clock.time_ms = before  # as the file's tests find it that share their tenant, too


@pytest_asyncio.fixture(loop_scope="module")
async def app(
    request: pytest.FixtureRequest,
    shared_app: Application,
    config: Config,
    clock: FakeClock,
    loop_guard: event_loop.Guard,
) -> AsyncIterator[Application]:
    if not _is_alone(request):
        yield shared_app
        return
    async with started(built(config, clock)) as application:
        loop_guard.too_long.clear()  # of the start: nobody is served yet
        yield application


@pytest_asyncio.fixture(loop_scope="module")
async def client(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def keys(request: pytest.FixtureRequest, app: Application, clock: FakeClock) -> Keys:
    return await make_keys(app.services, clock, account=None if _is_alone(request) else f"of {os.urandom(8).hex()}")


def _is_alone(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("alone") is not None
