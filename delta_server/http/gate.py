"""The guard of every route: query parameters are known ones, the key may do this. Runs before the body is read.

It is Litestar's `before_request`: each of its `guards` is handed a copy of the handler, which takes as long as all that
is done here.
"""

from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from functools import partial
from typing import Any, Literal, cast, get_args, get_origin
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Litestar, Request, Response
from litestar.handlers import HTTPRouteHandler

from delta_server.core import access_tokens
from delta_server.core.caller import Caller
from delta_server.core.errors import BadRequest, FieldError, Forbidden, Invalid
from delta_server.http import auth, cors, ingest_auth, rate_limits
from delta_server.http.aliases import other_names
from delta_server.http.asgi import Scope
from delta_server.http.auth import Authenticate
from delta_server.http.exchange import BodyLimit, Exchange
from delta_server.http.guards import KEY_IN_PATH, PUBLIC, Access, Body, Guards, UnguardedRoute
from delta_server.http.paths import segment_text
from delta_server.http.registering import LateRoute
from delta_server.http.validation import choose_message, did_you_mean
from delta_server.storage.database import ACTING

_MAX_PARAMETERS = 100

PREFIXES = "query_prefixes"
"""In a handler's `opt`: it reads all query parameters that begin with one of these."""


class Route(msgspec.Struct, frozen=True):
    """What the gate knows of one method of one path."""

    access: Access
    names: frozenset[str]
    lists: frozenset[str]
    """Query parameters that may come more than once."""
    prefixes: tuple[str, ...]
    """What else query parameters may begin with; those may come more than once too."""
    aliases: dict[str, str]
    choices: dict[str, tuple[str, ...]]
    """All values of the parameters that have a few only."""


class Gate:
    """`guards` is of all routes. `body_limits` says how large bodies of each kind may be; `public_routes` are the
    routes that the configuration makes public."""

    def __init__(
        self,
        authenticate: Authenticate,
        *,
        guards: Guards,
        body_limits: Mapping[Body, BodyLimit],
        opened: Set[tuple[str, str]] = frozenset(),
    ) -> None:
        self._authenticate = authenticate
        self._guards = guards
        self._cross_origin = {path for (_, path), access in guards.items() if access.cross_origin}
        self._body_limits = body_limits
        self._opened = opened
        self._accesses: dict[tuple[str, str], tuple[Access, LateRoute]] = {}
        self._routes: dict[tuple[str, str], Route] = {}
        """Those that were asked for."""

    def learn(self, app: Litestar) -> None:
        """Look through all routes. Raises UnguardedRoute for any that is not in `guards`."""
        for route in app.routes:
            if not isinstance(route, LateRoute):
                raise UnguardedRoute(f"{route.path} is not an HTTP route")
            for method, (handler, _) in route.route_handler_map.items():
                before: object = handler.resolve_before_request()
                if before is not self:
                    raise UnguardedRoute(f"{method} {route.path} has a before_request of its own instead of the gate")
                self._accesses[method, route.path_format] = self._access(method, bare(route.path_format)), route

    def _access(self, method: str, path: str) -> Access:
        # OPTIONS is Litestar's own: it tells the methods, as Allow does in any 405.
        if method == "OPTIONS":
            return KEY_IN_PATH if path in self._cross_origin else PUBLIC
        if (method, path) in self._opened:
            return PUBLIC
        access = self._guards.get((method, path))
        if access is None:
            raise UnguardedRoute(f"{method} {path} is missing from its feature's guards")
        return access

    async def __call__(self, request: Request[Any, Any, Any]) -> Response[None] | None:
        """The answer to OPTIONS; None lets the request in. Raises for all others."""
        scope = cast("Scope", request.scope)
        route = self._route_of(scope["method"], scope["path_template"])
        if route.access.cross_origin:
            cors.begin(scope)
        if scope["method"] == "OPTIONS":
            # Whatever the query: browsers ask before a request for the very URL of the request.
            return self._options(scope["path_template"])
        exchange: Exchange = scope["state"]["exchange"]
        exchange.limit_body(self._body_limits[route.access.body])
        if (caller := self._authenticated_caller(scope, route)) is not None:
            ACTING.set(ACTING.get().named(caller.actor))
            exchange.charge_to(caller.key_id if caller.project is None else f"project {caller.project}")
        if not route.access.cross_origin:  # clients of other products, and proxies before them, add what they like
            scope["query_string"] = checked_query(scope["query_string"], route)
        if any("%" in str(value) or str(value).startswith("=") for value in scope["path_params"].values()):
            # A new dict: the router caches the one it made.
            scope["path_params"] = {name: segment_text(value) for name, value in scope["path_params"].items()}
        return None

    def _route_of(self, method: str, path: str) -> Route:
        if (known := self._routes.get((method, path))) is not None:
            return known
        access, route = self._accesses[method, path]
        model = route.parameters(method)
        handler = route.route_handler_map[cast("Any", method)][0]
        read = _route(access, handler, model.expected_query_params, model.sequence_query_parameter_names)
        self._routes[method, path] = read
        return read

    def _options(self, path: str) -> Response[None]:
        """As Allow of a 405 would say it. Litestar's own answer knows one handler of each path only."""
        found = {method: access for (method, other), (access, _) in self._accesses.items() if other == path}
        allow = ", ".join(sorted(with_head(found.keys())))
        shared = cors.preflight(allow) if found["OPTIONS"].cross_origin else {}
        return Response(None, status_code=204, headers={"allow": allow, **shared})

    def _authenticated_caller(self, scope: Scope, route: Route) -> Caller | None:
        """The caller; None where the route is public or the key may be in the body. Raises Unauthorized, Forbidden,
        RateLimited."""
        access = route.access
        if access.scope == "ingest":
            key = ingest_auth.key_of(scope["headers"], scope["query_string"])
            return None if key is None else ingest_auth.sign_in(scope, self._authenticate, key, access)
        if access.public:
            if access.rate_class is not None:
                rate_limits.count(scope, access.rate_class)
            return None
        named = [*auth.tenants_of(scope["headers"]), *_project_in(scope["query_string"], route)]
        key = auth.key_of(scope["headers"])
        authenticate = partial(self._authenticate, deleted=True) if access.deleted else self._authenticate
        again = partial(authenticate, key, named)
        caller = None
        if not named and auth.PROJECT in scope["path_params"] and access_tokens.is_one(key):
            within = partial(authenticate, key, [segment_text(str(scope["path_params"][auth.PROJECT]))])
            with suppress(Forbidden):  # the handler says that there is no such project
                caller, again = within(), within
        if caller is None:
            caller = again()
        admit = partial(auth.admit, again, access)
        scope["state"][auth.ADMIT], scope["user"] = admit, caller
        if access.rate_class is not None:
            rate_limits.count(scope, access.rate_class, caller)
        auth.check(caller, access)
        scope["state"]["exchange"].check_after_body(partial(auth.refuse_changed, admit, caller))
        return caller


def _project_in(query: bytes, route: Route) -> list[str]:
    """The project in the query of a route that is about one. What is wrong with the query is said later."""
    if auth.PROJECT not in route.names or b"roject" not in query:
        return []
    pairs = parse_qsl(query.decode(errors="replace"), keep_blank_values=True)
    return [value for name, value in pairs if route.aliases.get(name, name) == auth.PROJECT]


def takes_project(access: Access) -> bool:
    """Whether a route has the query parameter `project_id`."""
    return not access.public and access.scope != "ingest" and access.keys not in ("account", "person")


def with_head(methods: Set[str]) -> Set[str]:
    """HEAD goes wherever GET does: the edge makes it one."""
    return methods | {"HEAD"} if "GET" in methods else methods


def _route(access: Access, handler: HTTPRouteHandler, parameters: Set[Any], lists: Iterable[str]) -> Route:
    names = {parameter.field_alias for parameter in parameters}
    if takes_project(access):  # the gate reads it, no handler declares it
        names.add(auth.PROJECT)
    aliases = other_names(names)
    lists = frozenset(lists)
    # As PHP and axios write arrays.
    aliases |= {f"{form}[]": name for form, name in ({name: name for name in lists} | aliases).items() if name in lists}
    return Route(
        access=access,
        names=frozenset(names),
        lists=lists,
        prefixes=tuple(handler.opt.get(PREFIXES, ())),
        aliases=aliases,
        choices={p.field_alias: choices for p in parameters if (choices := _choices(handler, p.field_name))},
    )


def _choices(handler: HTTPRouteHandler, name: str) -> tuple[str, ...]:
    parameter = handler.parsed_fn_signature.parameters.get(name)  # None for those its dependencies declare
    kind = None if parameter is None else parameter.annotation
    kinds = [one for given in (kind, *get_args(kind)) for one in (given, *get_args(given))]  # lists of choices, too
    literals = dict.fromkeys(one for one in kinds if get_origin(one) is Literal)
    return tuple(value for one in literals for value in get_args(one) if isinstance(value, str))


def bare(path: str) -> str:
    """`/v1/projects/{project_id}` as `/v1/projects/{}`."""
    return "/".join("{}" if segment.startswith("{") else segment for segment in path.split("/"))


def checked_query(query: bytes, route: Route) -> bytes:
    """The query string with camelCase names renamed. Raises Invalid for unknown or repeated names, BadRequest."""
    if not query:
        return query
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise BadRequest("the query string is not valid UTF-8") from None
    except ValueError:
        raise BadRequest(f"the query string has more than {_MAX_PARAMETERS} parameters") from None
    renamed = [(route.aliases.get(name, name), value) for name, value in pairs]
    names = [name for name, _ in renamed]
    _refuse_unknown(names, route)
    _refuse_repeated(names, route)
    _refuse_other_choices(renamed, route)
    # Litestar takes bytes that are not percent-encoded for latin-1.
    return query if renamed == pairs and query.isascii() else urlencode(renamed).encode()


def _refuse_unknown(names: list[str], route: Route) -> None:
    unknown = sorted({name[:100] for name in names if name not in route.names and not name.startswith(route.prefixes)})
    if unknown:
        known = sorted(route.names)
        raise Invalid(
            f"unknown query parameter {', '.join(name + did_you_mean(name, known) for name in unknown)}; "
            f"this route knows {', '.join(known) or 'none'}",
            errors=[FieldError(name, "is not a known query parameter") for name in unknown],
        )


def _refuse_other_choices(pairs: list[tuple[str, str]], route: Route) -> None:
    for name, value in pairs:
        if name in route.choices and value not in route.choices[name]:
            reason = choose_message(route.choices[name], repr(value))
            raise Invalid(f"{name} {reason}", errors=[FieldError(name, reason)])


def _refuse_repeated(names: list[str], route: Route) -> None:
    many = {name for name in names if names.count(name) > 1 and name not in route.lists}
    repeated = sorted(name for name in many if not name.startswith(route.prefixes))
    if repeated:
        raise Invalid(
            f"{', '.join(repeated)} is given more than once",
            errors=[FieldError(name, "is given more than once") for name in repeated],
        )
