from collections.abc import AsyncIterator

import msgspec
import pytest

from delta_server import app as delta_app
from delta_server.app import Application
from delta_server.config.sections import Config
from tests import event_loop
from tests.conftest import built, config_in, shared_fixture, started
from tests.secret_sweep import SWEEP
from tests.storage.opened import FakeClock


def without_loop(config: Config, clock: FakeClock) -> Application:
    """The tests say when erasures are done."""
    features = [
        msgspec.structs.replace(feature, jobs=[]) if feature.name == "erasures" else feature
        for feature in delta_app.FEATURES
    ]
    return built(config, clock, features)


@shared_fixture
async def shared_app(
    tmp_path_factory: pytest.TempPathFactory, shared_clock: FakeClock, secrets_of_module: None
) -> AsyncIterator[Application]:
    async with started(without_loop(config_in(tmp_path_factory.mktemp("shared")), shared_clock)) as application:
        yield application
    SWEEP.check()


@pytest.fixture
async def app(config: Config, clock: FakeClock, loop_guard: event_loop.Guard) -> AsyncIterator[Application]:
    async with started(without_loop(config, clock)) as application:
        loop_guard.too_long.clear()
        yield application
