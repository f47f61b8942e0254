"""Requests that schemathesis makes out of the API's description, to the real server: what fits it and what does not.

No answer is a failure of the server, each is as it is described, and what the description rules out is refused. Each
operation is asked for by whom it is for: a project's key, an account's, or an owner who has signed in. The requests are
the same each time, but that half of those that do not fit are left out by chance; DELTA_FUZZ=10 makes ten times as
many.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.features.users.people import PASSWORD
from tests.server_process import create_key, run, serving

if TYPE_CHECKING:
    from tests.hostile.described import World

OWNER = "ada@example.com"
PARTS = 4
"""The operations in so many tests: they run beside each other."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator["World"]:
    from tests.hostile.described import World

    directory = tmp_path_factory.mktemp("described")
    key = create_key(directory, "mine")
    account = create_key(directory, None)
    _add_owner(directory)
    with serving(directory, DELTA_LOG_LEVEL="error", DELTA_RATE_LIMITS_AUTH_PER_MINUTE="off") as server:
        yield World(server.url, key, account, OWNER)
        server.stop()


def _add_owner(directory: Path) -> None:
    run(directory, "user", "add", OWNER, "--role", "owner", input=PASSWORD)


@pytest.mark.parametrize("part", range(PARTS))
def test_answers_are_as_described(world: "World", part: int) -> None:
    from tests.hostile.described import failures

    assert failures(world, world.operations()[part::PARTS]) == {}
