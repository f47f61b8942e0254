"""Registers handlers with Litestar in a tenth of the time that its own `register` takes: that makes the route of a path
anew with each handler of it, looks through all routes each time, and reads the signatures of all handlers."""

from collections.abc import Iterable
from copy import copy
from typing import Any

from litestar import Litestar, Response
from litestar.exceptions import ClientException, ImproperlyConfiguredException, SerializationException
from litestar.handlers import HTTPRouteHandler
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, ControllerRouterHandler, Empty, HTTPScope, Receive, Scope, Send


class PlainLitestar(Litestar):
    """Without the plugins for pydantic and attrs, which Litestar loads where they are installed: nothing here uses
    them, tools for development bring them, and what is tested would not be what users have."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


class _Options(HTTPRouteHandler):
    """Of all paths: the gate answers OPTIONS before any handler. Litestar would make one for each path."""

    _model: Any = None

    def create_kwargs_model(self, path_parameters: Any) -> Any:
        self._model = self._model or super().create_kwargs_model(path_parameters)
        return self._model


class LateRoute(HTTPRoute):
    """Of one path. A handler's signature is read, and refused where it is wrong, with its first request: a start meets
    three of 260."""

    def create_handler_map(self) -> None:
        found: Any = self.route_handler_map
        for handler in self.route_handlers:
            for method in handler.http_methods:
                if method in found:
                    raise ImproperlyConfiguredException(f"{method} {self.path} has two handlers")
                found[method] = handler, None

    def parameters(self, method: Any) -> Any:
        """Of the handler, as Litestar's `KwargsModel`."""
        found: Any = self.route_handler_map[method]
        handler, model = found
        if model is None:
            handler.on_registration(handler.app)
            model = handler.create_kwargs_model(path_parameters=self.path_parameters)
            _refuse_cleaning_up(self.path, model)
            self.route_handler_map[method] = handler, model
        return model

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:  # type: ignore[override]  # as HTTPRoute's own
        self.parameters(scope["method"])
        await super().handle(scope, receive, send)

    async def _call_handler_function(
        self, scope: Scope, request: Any, parameter_model: Any, route_handler: HTTPRouteHandler
    ) -> ASGIApp:
        """As HTTPRoute's, whose `AsyncExitStack` and group of what dependencies clean up cost a small request 3 %: ours
        clean nothing up."""
        before: Any = route_handler.resolve_before_request()
        answer = await before(request) if before else None
        if not answer:
            answer = await _answered(request, parameter_model, route_handler)
        return await route_handler.to_response(app=scope["litestar_app"], data=answer, request=request)


def _refuse_cleaning_up(path: str, model: Any) -> None:
    for dependency in [each for batch in model.dependency_batches for each in batch]:
        provide = dependency.provide
        if provide.has_sync_generator_dependency or provide.has_async_generator_dependency:
            raise ImproperlyConfiguredException(
                f"{path}: {dependency.key} is a generator, which nothing here would end"
            )


async def _answered(request: Any, model: Any, handler: HTTPRouteHandler) -> Any:
    given: dict[str, Any] = {}
    if model.has_kwargs and handler.signature_model:
        try:
            named = await model.to_kwargs(connection=request)
        except SerializationException as error:
            raise ClientException(str(error)) from error
        if named.get("data") is Empty:
            del named["data"]
        if model.dependency_batches:
            await model.resolve_dependencies(request, named)
        given = handler.signature_model.parse_values_from_connection_kwargs(connection=request, kwargs=named)
    return handler.fn(**given) if handler.has_sync_callable else await handler.fn(**given)


def register(app: Litestar, handlers: Iterable[ControllerRouterHandler]) -> None:
    """As `app.register` of each."""
    paths: dict[str, list[HTTPRouteHandler]] = {}
    for handler in handlers:
        if not isinstance(handler, HTTPRouteHandler):
            app.register(handler)  # nothing of ours: the gate refuses it
            continue
        owned = copy(handler)
        owned.owner = app
        for path in sorted(handler.paths):
            paths.setdefault(path, []).insert(0, owned)  # as Litestar has them, which orders the description
    options = _Options(http_method="OPTIONS", include_in_schema=False, sync_to_thread=False)(_answered_by_the_gate)
    options.owner = app
    for path, of_path in paths.items():
        route = LateRoute(path=path, route_handlers=[*of_path, options])
        app.routes.append(route)
        route.create_handler_map()
        for plugin in app.plugins.receive_route:
            plugin.receive_route(route)
    app.asgi_router.construct_routing_trie()


def read_all(app: Litestar) -> None:
    """What is left for first requests, of all routes."""
    for route in app.routes:
        if isinstance(route, LateRoute):
            for method in route.route_handler_map:
                route.parameters(method)


def _answered_by_the_gate() -> Response[None]:
    return Response(None, status_code=204)
