"""What handlers may ask for by name.

`services`, `caller`, `idempotency_key`, `project` each name the one before: Litestar resolves dependencies that do not
depend on each other in parallel, in a task each, which costs more than all of them together (a third of a small
request)."""

from collections.abc import Callable
from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide

from delta_server.core.caller import Caller
from delta_server.http import idempotency
from delta_server.http.event_filters import event_filters
from delta_server.http.health import Vitals
from delta_server.http.metrics import Metrics
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey


def _vitals(state: State) -> Vitals:
    found: Vitals = state.vitals
    return found


def _metrics(state: State) -> Metrics:
    found: Metrics = state.metrics
    return found


def _caller(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Caller:
    found: Caller = request.user
    return found


async def _once(request: Request[Any, Any, Any], caller: NamedDependency[Caller]) -> IdempotencyKey:
    return await idempotency.key_of(request, caller)


def _project(request: Request[Any, Any, Any], idempotency_key: NamedDependency[IdempotencyKey]) -> int:
    caller: Caller = request.user
    if caller.project is None:
        raise caller.without_project()
    return caller.project


def dependencies(state: Callable[[], State]) -> dict[str, Provide]:
    """`state` is that of the application, of which Litestar makes a copy for whoever asks for it: for `services` alone
    that took a small request 4 %."""

    def services() -> Services:
        found: Services = state().services
        return found

    return {
        "services": Provide(services, sync_to_thread=False),
        "vitals": Provide(_vitals, sync_to_thread=False),
        "metrics": Provide(_metrics, sync_to_thread=False),
        "caller": Provide(_caller, sync_to_thread=False),
        "project": Provide(_project, sync_to_thread=False),
        "idempotency_key": Provide(_once),
        "filters": Provide(event_filters, sync_to_thread=False),
    }
