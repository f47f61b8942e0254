"""How many requests a minute a route takes of whom: X-RateLimit-* on its answers, and 429 past it.

Requests count by class (`Access.rate_class`), project, client address and key or user; by class and address where
nobody is known. The gate counts before the body is read, ingest_auth.py as soon as it knows the key.

What is answered 401, or 403 before there is a caller (another's project, a wrong link), counts for its address,
whichever route it was: guesses end in 429. A good key never meets that: behind a proxy that is not trusted all clients
have one address, and one's wrong key must not keep the others out.
"""

from collections.abc import Hashable

from delta_server.config import sections
from delta_server.core.caller import Caller
from delta_server.core.errors import Forbidden, RateLimited, Unauthorized
from delta_server.core.rates import Rate, Verdict
from delta_server.http.asgi import Headers, Scope
from delta_server.http.guards import RateClass
from delta_server.http.metrics import Metrics
from delta_server.storage.database import Clock
from delta_server.storage.limiter import Limiter

STATE = "rate_limits"
"""In a scope's state."""
_UNAUTHORIZED = "unauthorized"


class RateLimits:
    """The limits of one server."""

    def __init__(self, options: sections.RateLimits, limiter: Limiter, clock: Clock, metrics: Metrics) -> None:
        self._limiter = limiter
        self._clock = clock
        per_minute = {
            "ingest": options.ingest_per_minute,
            "visits": options.visits_per_minute,
            "query": options.query_per_minute,
            "auth": options.auth_per_minute,
            _UNAUTHORIZED: options.unauthorized_per_minute,
        }
        self._rates = {name: Rate(limit) for name, limit in per_minute.items() if limit}
        self._refused = metrics.refused
        for name in self._rates:
            self._refused.labels(name)  # a counter that begins at 0 can be watched

    def take(self, name: str, who: tuple[Hashable, ...]) -> Verdict | None:
        """None where there is no limit."""
        rate = self._rates.get(name)
        if rate is None:
            return None
        verdict = self._limiter.take((name, *who), rate, self._clock.now_ms())
        if not verdict.allowed:
            self._refused.labels(name).inc()
        return verdict


def count(scope: Scope, rate_class: RateClass, caller: Caller | None = None) -> None:
    """Count the request, and say in its answer what is left. Raises RateLimited."""
    exchange = scope["state"]["exchange"]
    who = (exchange.address,) if caller is None else (caller.project, exchange.address, caller.key_id)
    verdict = scope["state"][STATE].take(rate_class, who)
    if verdict is None:
        return
    exchange.rate_headers = _headers(verdict)
    if not verdict.allowed:
        raise RateLimited(
            f"more than {verdict.limit} requests a minute (rate_limits.{rate_class}_per_minute): wait before the next",
            retry_after_s=verdict.retry_after_s,
        )


def instead_of(error: Exception, scope: Scope) -> Exception:
    """What a failed request is answered with: RateLimited for a refusal too many from its address, else `error`."""
    is_guess = isinstance(error, Unauthorized) or (isinstance(error, Forbidden) and "user" not in scope)
    if not is_guess:
        return error
    exchange = scope["state"]["exchange"]
    verdict = scope["state"][STATE].take(_UNAUTHORIZED, (exchange.address,))
    if verdict is None or verdict.allowed:
        return error
    exchange.rate_headers = _headers(verdict)
    return RateLimited(
        "too many requests from this address without a valid key: wait before the next",
        retry_after_s=verdict.retry_after_s,
    )


def _headers(verdict: Verdict) -> Headers:
    return [
        (b"x-ratelimit-limit", b"%d" % verdict.limit),
        (b"x-ratelimit-remaining", b"%d" % verdict.remaining),
        (b"x-ratelimit-reset", b"%d" % verdict.reset_s),
    ]
