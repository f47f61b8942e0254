"""Nothing that is sent keeps the event loop for long: large bodies of the costly kinds, to every route.

The fixture `loop_guard`, which `app` brings along, fails the test.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import product
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core.query import time_buckets
from delta_server.http.body import MAX_TYPED_BYTES
from tests.conftest import Keys, bearer, shared
from tests.event_loop import MOST_MS, Guard, of_the_server
from tests.hostile.test_every_route import JSON, World, body_routes, made_world, no_failure, shared_world
from tests.often import FUZZ

__all__ = ["made_world", "shared_world"]


@pytest.fixture
def most_loop_ms() -> float:
    return MOST_MS


SIZES = {"too small for a thread": 16_000, "the largest": MAX_TYPED_BYTES - 100}


def repeated(unit: str, size: int, *, before: str = "[", after: str = "]", between: str = ",") -> bytes:
    count = (size - len(before) - len(after)) // (len(unit) + len(between))
    return (before + between.join([unit] * count) + after).encode()


def named(size: int, value: str) -> bytes:
    """An object with as many names as fit."""
    each = len(f'"{10**6:x}":{value},')
    return ("{" + ",".join(f'"{number:x}":{value}' for number in range(10**6, 10**6 + size // each)) + "}").encode()


LARGE = {
    "empty objects": lambda size: repeated("{}", size),
    "empty arrays": lambda size: repeated("[]", size),
    "numbers": lambda size: repeated("1", size),
    "long numbers": lambda size: repeated("1" * 300, size),
    "nulls": lambda size: repeated("null", size),
    "nested arrays": lambda size: repeated("[[[[[[[[]]]]]]]]", size),
    "small objects": lambda size: repeated('{"a":1}', size),
    "names": lambda size: named(size, "0"),
    "names of objects": lambda size: named(size, "{}"),
    "a name at last given twice": lambda size: named(size, "0")[:-1] + b',"zz":0,"zz":0}',
    "escapes": lambda size: repeated("\\u0041", size, before='{"name":"', after='"}', between=""),
    "escapes of halves": lambda size: repeated("\\ud800", size, before='{"name":"', after='"}', between=""),
    "digits": lambda size: b'{"name":' + b"9" * size + b"}",
    "spaces": lambda size: b'{"name":1' + b" " * size + b"}",
    "lines": lambda size: repeated("{}", size, before="", after="", between="\n"),
    "not closed": lambda size: repeated("{}", size, after=""),
    "an event many times": lambda size: repeated('{"eventType":"a"}', size, before='{"events":[', after="]}"),
    "calls that are wrong": lambda size: repeated('{"a":[]}', size, before='{"batch":[', after="]}"),
}


async def asked(guard: Guard, ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Up to three times while it takes long: what the request costs it costs each time, and what another process of a
    busy machine costs it, in this one's caches, it does not."""
    for _ in range(2):
        before = len(guard.too_long)
        answer = await ask()
        if len(guard.too_long) == before:
            return answer
        del guard.too_long[before:]
    return await ask()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", LARGE)
@shared
async def test_large_bodies(
    shared_app: Application,
    shared_client: httpx.AsyncClient,
    shared_keys: Keys,
    shared_world: World,
    loop_guard: Guard,
    kind: str,
    size: str,
) -> None:
    """To each sixth route, in turn: to all with DELTA_FUZZ."""
    client, keys, world = shared_client, shared_keys, shared_world
    body = LARGE[kind](SIZES[size])
    headers = {**bearer(keys.project), **JSON}
    with no_failure():
        for number, (method, template) in enumerate(body_routes(shared_app), list(LARGE).index(kind)):
            if FUZZ == 1 and number % 6:
                continue
            url = world.url(method, template) + "?endpoint=large"
            answer = await asked(loop_guard, partial(client.request, method, url, content=body, headers=headers))
            assert answer.status_code < 500, (method, template, answer.text)


LARGE_HEADS = {
    "commas": b"," * 60_000,
    "semicolons": b";" * 60_000,
    "tags": b'"",' * 20_000,
    "quotes": b'"' * 59_999,
    "weights": b"a;q=1," * 10_000,
    "pairs": b"a=b;" * 15_000,
    "kinds": b"text/csv," * 6_000,
    "letters": b"a" * 60_000,
    "spaces": b"a" + b" " * 59_998 + b"a",
    "base64": b"Basic " + b"YWJj" * 15_000,
}
READ_HEADERS = (
    "accept",
    "accept-encoding",
    "authorization",
    "content-encoding",
    "content-type",
    "cookie",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
    "origin",
    "x-api-key",
    "x-forwarded-for",
    "x-tenant-id",
    "x-request-id",
    "x-write-key",
)


@pytest.mark.parametrize("kind", LARGE_HEADS)
@shared
async def test_large_heads(
    shared_client: httpx.AsyncClient, shared_keys: Keys, shared_world: World, loop_guard: Guard, kind: str
) -> None:
    """In each header that is read, of each fourth of these requests in turn: of all with DELTA_FUZZ."""
    client, keys, world = shared_client, shared_keys, shared_world
    requests = [
        ("GET", f"/v1/snapshots/{world.ids['snapshot']}/data"),
        ("GET", "/v1/export/events"),
        ("GET", "/v1/stream"),
        ("GET", "/v1/sync/stream"),
        ("POST", "/v1/sync/notes/rxdb/push"),
        ("POST", "/v1/sync/watermelon/push"),
        ("POST", "/v1/snapshots?endpoint=large"),
        ("POST", "/v1/events"),
    ]
    first = list(LARGE_HEADS).index(kind)
    with no_failure():
        for number, (name, (method, path)) in enumerate(product(READ_HEADERS, requests), first):
            if FUZZ == 1 and number % 4:
                continue
            body = None if method == "GET" else b'{"eventType":"a"}'
            headers = [*bearer(keys.project).items(), *JSON.items()]
            sent = [(other, value) for other, value in headers if other.lower() != name]
            sent += [(name, LARGE_HEADS[kind].decode())]
            answer = await asked(loop_guard, partial(client.request, method, path, content=body, headers=sent))
            assert answer.status_code < 500, (method, path, name, answer.text)


@shared
async def test_metrics_of_many_series(
    shared_app: Application, shared_client: httpx.AsyncClient, shared_keys: Keys, loop_guard: Guard
) -> None:
    metrics = shared_app.litestar.state.metrics
    for number in range(500):
        metrics.observe("GET", f"/v1/{number}", status=200, seconds=0.01, bytes_in=0, bytes_out=9)
    answer = await asked(loop_guard, partial(shared_client.get, "/metrics", headers=bearer(shared_keys.account)))
    assert answer.text.count("delta_http_request_seconds_bucket") > 500


ALL_TIME = ("1900-01-02", "2099-12-30")
IN_ZONES = [
    ("POST", "/v1/query", {"groupBy": ["time:quarter"], "range": ALL_TIME, "compare": "previous"}),
    ("POST", "/v1/query/retention", {"every": "year", "range": ALL_TIME}),
    ("GET", "/v1/events/aggregated", {"interval": "quarter"}),
    ("GET", "/v1/events/analytics", {"interval": "quarter"}),
    ("GET", "/v1/export/aggregated", {"interval": "quarter"}),
]


@pytest.mark.parametrize(("method", "path", "asked"), IN_ZONES, ids=[path for _, path, _ in IN_ZONES])
async def test_clock_changes_of_two_centuries(
    client: httpx.AsyncClient, keys: Keys, method: str, path: str, asked: dict[str, Any]
) -> None:
    """Of zones that nobody has asked for yet."""
    for zone in ("Europe/Paris", "America/New_York", "Africa/Casablanca"):
        time_buckets._changes.cache_clear()
        asked = {**asked, "timezone": zone}
        if method == "GET":
            asked |= dict(zip(("startTime", "endTime"), ALL_TIME, strict=True))
            answer = await client.get(path, params=asked, headers=bearer(keys.project))
        else:
            answer = await client.post(path, json=asked, headers=bearer(keys.project))
        assert answer.status_code == 200, answer.text


def compute(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def test_the_guard_hears_of_what_takes_long() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        compute(20 * MOST_MS / 1e3)

    with Guard().watching() as guard:
        with of_the_server():
            task = asyncio.create_task(work())
        await task
        with of_the_server():
            asyncio.get_running_loop().call_soon(compute, 20 * MOST_MS / 1e3)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert len(guard.too_long) == 2
    assert "work -> its end" in guard.too_long[0][1]
    with pytest.raises(AssertionError, match="kept the event loop"):
        guard.check()


async def test_what_takes_long_each_time_is_heard_of() -> None:
    calls: list[float] = []

    async def ask(*costs_s: float) -> httpx.Response:
        compute(costs_s[len(calls) % len(costs_s)])
        calls.append(0)
        return httpx.Response(200)

    async def served(*costs_s: float) -> httpx.Response:
        with of_the_server():
            return await asyncio.create_task(ask(*costs_s))

    with Guard().watching() as guard:
        await asked(guard, partial(served, 4 * MOST_MS / 1e3))
        assert (len(calls), len(guard.too_long)) == (3, 1)
        guard.too_long.clear()
        calls.clear()
        await asked(guard, partial(served, 4 * MOST_MS / 1e3, 0))
        assert (len(calls), guard.too_long) == (2, [])


async def test_the_guard_leaves_out_the_tests_own_work_and_the_collector() -> None:
    kept = [[number] for number in range(300_000)]

    async def collect() -> None:
        gc.collect()

    with Guard().watching() as guard:
        await asyncio.create_task(asyncio.sleep(0))
        asyncio.get_running_loop().call_soon(compute, 2 * MOST_MS / 1e3)
        with of_the_server():
            task = asyncio.create_task(collect())
        await task
    assert kept
    guard.check()
