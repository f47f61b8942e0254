from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
import pytest_asyncio

from delta_server import app as delta_app
from delta_server.app import Application
from delta_server.config.sections import Config, Limits
from tests.conftest import Keys, bearer, built, client_of, make_keys, shared_fixture, started
from tests.http import requested, sample
from tests.http.requested import Made
from tests.storage.opened import FakeClock


@pytest.fixture
async def sample_app(config: Config, clock: FakeClock) -> AsyncIterator[Application]:
    """The application with the sample feature, requests of at most 8 MiB, and a proxy at 127.0.0.1."""
    config = msgspec.structs.replace(
        config,
        limits=Limits(document_bytes=8 << 20, request_bytes=8 << 20),
        server=msgspec.structs.replace(config.server, trusted_proxies=("127.0.0.1",)),
    )
    features = [*delta_app.FEATURES, sample.FEATURE]
    async with started(built(config, clock, features)) as application:
        yield application


@pytest.fixture
async def sample_keys(sample_app: Application, clock: FakeClock) -> Keys:
    return await make_keys(sample_app.services, clock)


@pytest.fixture
async def sample_client(sample_app: Application, sample_keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    """Sends a key with all scopes."""
    async with client_of(sample_app) as client:
        client.headers.update(bearer(sample_keys.project))
        yield client


@shared_fixture
async def shared_made(shared_client: httpx.AsyncClient, shared_keys: Keys) -> Made:
    return await requested.make(shared_client, shared_keys)


@pytest.fixture
async def made(client: httpx.AsyncClient, keys: Keys) -> Made:
    return await requested.make(client, keys)


@pytest_asyncio.fixture(loop_scope="module")
async def own_made(shared_client: httpx.AsyncClient, own_keys: Keys) -> Made:
    """For calls that change what only their tenant sees."""
    return await requested.make(shared_client, own_keys)
