"""What handlers may ask for by name."""

from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.di import Provide

from delta_server.core.errors import Forbidden
from delta_server.http.auth import Caller
from delta_server.http.health import Vitals
from delta_server.http.idempotency import once
from delta_server.http.metrics import Metrics
from delta_server.services import Services


def _services(state: State) -> Services:
    found: Services = state.services
    return found


def _vitals(state: State) -> Vitals:
    found: Vitals = state.vitals
    return found


def _metrics(state: State) -> Metrics:
    found: Metrics = state.metrics
    return found


def _caller(request: Request[Any, Any, Any]) -> Caller:
    found: Caller = request.user
    return found


def _project(request: Request[Any, Any, Any]) -> int:
    project: int | None = request.user.project
    if project is None:
        raise Forbidden("this needs a project's key")
    return project


DEPENDENCIES = {
    "services": Provide(_services, sync_to_thread=False),
    "vitals": Provide(_vitals, sync_to_thread=False),
    "metrics": Provide(_metrics, sync_to_thread=False),
    "caller": Provide(_caller, sync_to_thread=False),
    "project": Provide(_project, sync_to_thread=False),
    "once": Provide(once),
}
