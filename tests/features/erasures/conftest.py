from collections.abc import AsyncIterator

import msgspec
import pytest

from delta_server import app as delta_app
from delta_server.app import Application
from delta_server.config import Config
from tests import event_loop
from tests.conftest import built, started
from tests.storage.opened import FakeClock


@pytest.fixture
async def app(config: Config, clock: FakeClock, loop_guard: event_loop.Guard) -> AsyncIterator[Application]:
    """Without the loop that runs erasures: the tests say when."""
    features = [
        msgspec.structs.replace(each, loops=[]) if each.name == "erasures" else each for each in delta_app.FEATURES
    ]
    async with started(built(config, clock, features)) as application:
        loop_guard.too_long.clear()
        yield application
