"""The one ASGI middleware: everything that is true of every request, around Litestar.

It stands outside the router, so that 404s are logged, `/api` is routed and HEAD works. Per request it makes one
`Exchange` (exchange.py), which reads the body and writes the answer; this file names the request and tells of it.
"""

import asyncio
import re
import time
from typing import Any
from urllib.parse import unquote_plus

import structlog
import uuid_utils

from delta_server.config.sections import Config
from delta_server.core.actor import NOBODY, Actor
from delta_server.core.errors import BadRequest
from delta_server.http import errors, rate_limits
from delta_server.http.address import UNKNOWN, Client, resolver
from delta_server.http.asgi import App, Headers, Receive, Scope, Send
from delta_server.http.errors import UriTooLong
from delta_server.http.exchange import Budgets, Exchange
from delta_server.http.inflight import MemoryBudget
from delta_server.http.metrics import Metrics
from delta_server.http.paths import routing_path
from delta_server.http.rate_limits import RateLimits
from delta_server.http.server import ABORT, BODY_PENDING, NOTE_CALLER, TAKEN
from delta_server.storage.database import ACTING, Clock
from delta_server.storage.limiter_memory import MemoryLimiter
from delta_server.storage.sqlite.transaction import shutting_down

log = structlog.get_logger("delta.access")

MAX_TARGET_BYTES = 8192
LOGGED_PATH = 100
_LONGEST_RETRY_S = {"/v1/logs": 5}
"""OpenTelemetry's exporters have 10 s for all their tries, and drop a batch at once when they are to wait longer."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/metrics"})
_KEY = re.compile(r"dk_\w*")
_ENDPOINT = re.compile(rb"(?:^|&)endpoint(?:_id|Id)?=([^&]*)")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class Edge:
    """`app` with the edge around it. Lifespan messages pass through."""

    def __init__(self, app: App, *, config: Config, clock: Clock, metrics: Metrics) -> None:
        self.app = app
        self._limits = config.limits
        self.budgets = _budgets(config)
        self._clock = clock
        self.metrics = metrics
        self._rate_limits = RateLimits(config.rate_limits, MemoryLimiter(), clock, metrics)
        self._client = resolver(config.server.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "no websockets here"})
        else:
            await self.app(scope, receive, send)

    async def _http(self, outer: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers = _first_values(outer["headers"])
        request_id = _request_id(headers.get(b"x-request-id"))
        client = self._client_of(outer, headers)
        ACTING.set(Actor(NOBODY, client.address, request_id))  # a request has a task of its own, and so a context
        exchange = Exchange(
            outer["method"],
            headers,
            receive,
            send,
            request_id=request_id,
            limits=self._limits,
            budgets=self.budgets,
            address=client.group,
            body_pending=outer.get("state", {}).get(BODY_PENDING),
            taken=outer.get("state", {}).get(TAKEN, _is_taken),
            clock=self._clock,
        )
        exchange.note_caller = outer.get("state", {}).get(NOTE_CALLER)
        scope = self._inner(outer, exchange)
        exchange.longest_retry_s = _LONGEST_RETRY_S.get(scope["path"].rstrip("/"))
        self.metrics.in_flight.inc()
        try:
            await self._answer(outer, scope, exchange)
        finally:
            exchange.end()
            self.metrics.in_flight.dec()
            self._log_request(outer, scope, exchange, client.address, seconds=time.perf_counter() - started)

    async def _answer(self, outer: Scope, scope: Scope, exchange: Exchange) -> None:
        try:
            _check_target(scope)
            _check_head(scope)
            await self.app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:  # the server goes down, and has waited for as long as it may
            if not await exchange.fail(shutting_down()) and (abort := outer.get("state", {}).get(ABORT)):
                abort()
        except Exception as error:  # Litestar answers what handlers raise; this is what it cannot
            expected = errors.coded(error)
            if await exchange.fail(expected or error):
                return
            if expected is not None:
                log.warning("answer broken off", request_id=exchange.request_id, reason=expected.message)
            else:
                log.error("answer broken off", request_id=exchange.request_id, exc_info=error)
            if ABORT not in outer.get("state", {}):
                raise
            # uvicorn closes the connection: the caller sees that the answer is not whole. Raised, it would be logged
            # twice.

    def _inner(self, outer: Scope, exchange: Exchange) -> Scope:
        """The scope Litestar sees. A copy: uvicorn reads the method of its own when it writes the answer."""
        given = {
            "request_id": exchange.request_id,
            "clock": self._clock,
            "exchange": exchange,
            rate_limits.STATE: self._rate_limits,
        }
        state: dict[str, Any] = {**outer.get("state", {}), **given}
        path = _canonical(routing_path(outer["raw_path"]) if outer.get("raw_path") else outer["path"])
        scope = {**outer, "path": path, "state": state}
        if outer["method"] == "HEAD":
            scope["method"] = "GET"
        return scope

    def _log_request(self, outer: Scope, scope: Scope, exchange: Exchange, address: str, *, seconds: float) -> None:
        method = outer["method"] if outer["method"] in _METHODS else "OTHER"
        route = str(scope.get("path_template") or "(none)")
        status = exchange.status or 499  # nginx's number for a client that went away before its answer
        self.metrics.observe(
            method, route, status=status, seconds=seconds, bytes_in=exchange.bytes_in, bytes_out=exchange.bytes_out
        )
        # Where no route matched, the path says what was requested; without the query, which may hold anything.
        path = {} if "path_template" in scope else {"path": _printable(scope["path"])}
        code = {} if exchange.code is None else {"code": exchange.code}
        (log.debug if route in _QUIET else log.info)(
            "request",
            method=method,
            route=route,
            **path,
            **_log_fields(scope),
            status=status,
            **code,
            ms=round(seconds * 1000, 2),
            bytes=exchange.bytes_out,
            request_id=exchange.request_id,
            client=address,
        )

    def _client_of(self, scope: Scope, headers: dict[bytes, bytes]) -> Client:
        peer = scope.get("client")
        if not peer:
            return UNKNOWN
        if b"x-forwarded-for" not in headers:
            return self._client(peer[0], b"")
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        return self._client(peer[0], forwarded)


def _budgets(config: Config) -> Budgets:
    """An encoded body and what it decodes to are there together: a request alone is never refused for its size."""
    limits = config.limits
    one, one_batch = 2 * limits.request_bytes, 2 * config.events.request_bytes
    return Budgets(
        bodies=MemoryBudget(max(limits.inflight_bytes, one), owner_bytes=max(limits.inflight_bytes // 2, one)),
        unknown_bodies=MemoryBudget(8 * one_batch, owner_bytes=2 * one_batch),
        answers=MemoryBudget(limits.answer_bytes, owner_bytes=max(limits.answer_bytes // 2, limits.request_bytes)),
    )


def _log_fields(scope: Scope) -> dict[str, Any]:
    """The caller, and the endpoint, as far as headers, path and query say."""
    fields: dict[str, Any] = {}
    if (caller := scope.get("user")) is not None:
        fields = (
            {"key_id": caller.key_id}
            if caller.project is None
            else {
                "project": caller.project,
                "key_id": caller.key_id,
            }
        )
    if named := scope.get("path_params", {}).get("endpoint"):
        fields["endpoint"] = _printable(named)
    elif b"endpoint" in scope["query_string"] and (found := _ENDPOINT.search(scope["query_string"])):
        fields["endpoint"] = _printable(unquote_plus(found[1].decode("latin-1")))
    return fields


def _printable(text: str) -> str:
    return _KEY.sub("***", text)[:LOGGED_PATH]


async def _is_taken() -> None:
    """As far as is known: the transport did not say otherwise."""


def _canonical(path: str) -> str:
    """`/api/...` and `/api/v1/...` are other names of `/v1/...`."""
    if not path.startswith("/api/"):
        return path
    return path[4:] if path.startswith("/api/v1/") else "/v1" + path[4:]


def _check_target(scope: Scope) -> None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
        raise UriTooLong(f"the URL is longer than {MAX_TARGET_BYTES} bytes")


def _check_head(scope: Scope) -> None:
    """Raise BadRequest where two readers of a request may take it for different ones (RFC 9112 3.2, 6.1)."""
    names = [name for name, _ in scope["headers"]]
    hosts = names.count(b"host")
    if hosts > 1 or (hosts == 0 and scope["http_version"] == "1.1"):
        raise BadRequest(f"the request has {hosts or 'no'} Host headers: send one")
    if scope["http_version"] == "1.0" and b"transfer-encoding" in names:
        raise BadRequest("HTTP/1.0 has no Transfer-Encoding: send Content-Length")


def _first_values(headers: Headers) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for name, value in headers:
        values.setdefault(name, value)
    return values


def _request_id(given: bytes | None) -> str:
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode("ascii")
    return str(uuid_utils.uuid7())
