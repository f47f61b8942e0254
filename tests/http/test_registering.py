"""Routes that read their parameters late."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar, get
from litestar.di import NamedDependency, Provide
from litestar.exceptions import ImproperlyConfiguredException

from delta_server.http import registering


def _opened() -> Iterator[int]:
    yield 1


async def _opened_async() -> Any:
    yield 1


@get("/v1/opened")
async def opened(held: NamedDependency[int]) -> int:
    return held


@pytest.mark.parametrize("provider", [_opened, _opened_async])
def test_a_dependency_that_would_have_to_be_ended_is_refused(provider: Any) -> None:
    app = Litestar(dependencies={"held": Provide(provider)}, openapi_config=None, logging_config=None)
    registering.register(app, [opened])
    [route] = app.routes
    assert isinstance(route, registering.LateRoute)
    with pytest.raises(ImproperlyConfiguredException, match="held is a generator"):
        route.parameters("GET")
