"""Every route against the table of hostile inputs: nothing gives a 5xx, and what is refused changes nothing."""

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import quote

import httpx
import msgspec
import pytest
import structlog
from structlog.testing import capture_logs

from delta_server.app import FEATURES, Application, guards_of
from delta_server.features.webhooks.schemas import EXAMPLE_NEW as WEBHOOK
from delta_server.http.gate import bare
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer
from tests.hostile.inputs import BROKEN_JSON, HALVES, HEADERS, MENDABLE, ODD_JSON, TEXTS, VALUES
from tests.http.test_all_routes import SOME_ID, routes, url
from tests.often import FUZZ
from tests.secret_sweep import SWEEP

GUARDS = guards_of(FEATURES)
JSON = {"content-type": "application/json"}
WITH_BODY = {"POST", "PUT", "PATCH"}


@contextmanager
def no_failure() -> Iterator[None]:
    """Nothing unexpected may have been raised, whatever was answered; and no key may stand in the log."""
    with capture_logs() as logs:
        yield
    assert [entry for entry in logs if entry["log_level"] in ("error", "critical")] == []
    assert [entry for entry in logs if "dk_" in repr(entry)] == []


LARGE_BYTES = 100_000
"""What is larger comes to each route in one of the ways; in all with DELTA_FUZZ."""
ONE_BY_ONE = MENDABLE | {"5,000 levels of arrays"}
"""Events are mended of these, or refused one by one."""
DELIVERIES = "/v1/webhooks/{}/{}/{}"
"""Takes what other services send, in any format and character set, by the token in its path."""
OTHER_CHARSETS = {"UTF-16", "byte order mark"}


def body_routes(app: Application) -> list[tuple[str, str]]:
    return [(method, template) for method, template, _ in routes(app) if method in WITH_BODY]


class World(msgspec.Struct, frozen=True):
    """Things that are there, so that inputs get past the first look-up. By name of path parameter."""

    ids: dict[str, str]

    def url(self, method: str, template: str) -> str:
        """What is deleted is not there: it is wanted again."""
        if method == "DELETE":
            return url(template)
        return re.sub(r"\{([^}]*)\}", lambda match: self.ids[match[1]], template)


SWEEP.leave_out(*TEXTS.values())


@pytest.fixture
async def world(app: Application, client: httpx.AsyncClient, keys: Keys) -> World:
    """An endpoint with three snapshots and the deltas between them, a user, a group and a webhook. Streams end
    at once."""
    app.stop_streams()
    headers = bearer(keys.project)
    for call in ({"type": "identify"}, {"type": "group", "groupId": "acme"}):
        sent = await client.post("/v1/batch", json={"batch": [{"userId": "ann", **call}]}, headers=headers)
        assert sent.json()["accepted"] == 1
    for price in (1, 2, 3):
        made = await client.post(
            "/v1/snapshots?endpoint=GET%20%2Fprices&include=delta",
            json={"items": [{"sku": "a", "price": price}]},
            headers=headers,
        )
        assert made.status_code == 201, made.text
    snapshot, delta = made.json()["snapshot"], made.json()["delta"]
    inbound = await client.put(
        f"/v1/endpoints/{made.json()['snapshot']['endpoint_id']}/inbound-webhook", json={}, headers=headers
    )
    feed = await client.post("/v1/feeds", json={}, headers=headers)
    project = (await client.get("/v1/projects", headers=headers)).json()["data"][0]
    key = (await client.get("/v1/auth/api-keys", headers=headers)).json()["data"][0]
    hook = await client.post("/v1/webhooks", json=WEBHOOK, headers=headers)
    assert hook.status_code == 201, hook.text
    return World(
        {
            "webhook_id": hook.json()["webhook"]["id"],
            "delivery_id": SOME_ID,
            "endpoint": snapshot["endpoint_id"],
            "snapshot": snapshot["id"],
            "snapshot_id": snapshot["id"],
            "delta": delta["id"],
            "user_id": SOME_ID,
            "delta_id": delta["id"],
            "project_id": project["id"],
            "key_id": key["id"],
            "write_key": keys.ingest,
            "user": "ann",
            "group": "acme",
            "erasure_id": SOME_ID,
            "name": "start.js",
            "rest": "mine",
            "token": inbound.json()["token"],
            "feed_id": feed.json()["feed"]["id"],
            "feed_token": feed.json()["token"],
        }
    )


async def rows(app: Application) -> dict[str, int]:
    return await app.services.db.read(_rows)


def _rows(tx: Tx) -> dict[str, int]:
    # Until when profiles have read events is written in the background.
    tables = tx.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'profiled'")
    return {name: tx.all(f'SELECT count(*) FROM "{name}"')[0][0] for (name,) in tables}


@pytest.mark.parametrize("name", BROKEN_JSON)
async def test_broken_bodies(app: Application, client: httpx.AsyncClient, keys: Keys, world: World, name: str) -> None:
    """Refused by all routes, in all the ways a document can come, and nothing is written. Events are mended of some."""
    before = await rows(app)
    ways = [(query, key) for query in ("", "?endpoint=hostile") for key in (keys.project, keys.account)]
    is_large = len(BROKEN_JSON[name]) > LARGE_BYTES and FUZZ == 1
    takes_events = {path for (_, path), access in GUARDS.items() if access.scope == "ingest" and name in ONE_BY_ONE}
    with no_failure():
        for number, (method, template) in enumerate(body_routes(app)):
            takes_it = name in HALVES and GUARDS[method, bare(template)].body == "document"
            takes_it = takes_it or (bare(template) == DELIVERIES and name in OTHER_CHARSETS)
            if bare(template) in takes_events or takes_it:
                continue
            for query, key in [ways[number % len(ways)]] if is_large else ways:
                answer = await client.request(
                    method,
                    world.url(method, template) + query,
                    content=BROKEN_JSON[name],
                    headers={**bearer(key), **JSON},
                )
                assert 400 <= answer.status_code < 500, (method, template, answer.text)
                assert answer.headers["content-type"] == "application/problem+json"
                assert len(answer.content) < 4000
    assert await rows(app) == before


@pytest.mark.parametrize("name", ODD_JSON)
async def test_odd_bodies(app: Application, client: httpx.AsyncClient, keys: Keys, world: World, name: str) -> None:
    with no_failure():
        for method, template in body_routes(app):
            for query in ("", "?endpoint=hostile"):
                answer = await client.request(
                    method,
                    world.url(method, template) + query,
                    content=ODD_JSON[name],
                    headers={**bearer(keys.project), **JSON},
                )
                assert answer.status_code < 500, (method, template, answer.text)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_bodies_that_need_no_preflight_are_refused(
    app: Application, client: httpx.AsyncClient, keys: Keys, kind: str
) -> None:
    """But where events are taken, from all sites: no browser adds a key to such a request by itself."""
    for method, template, handler in routes(app):
        reads_body = {"data", "request"} & handler.parsed_fn_signature.parameters.keys()
        if method not in WITH_BODY or not reads_body or GUARDS[method, bare(template)].cross_origin:
            continue
        if bare(template) == DELIVERIES:  # takes forms, by a token in the path which no browser adds
            continue
        headers = {**bearer(keys.project), "content-type": kind}
        answer = await client.request(method, url(template), content=b'{"name": "a"}', headers=headers)
        assert answer.status_code in (403, 415), (method, template)


@pytest.mark.parametrize("name", TEXTS)
async def test_hostile_texts(app: Application, client: httpx.AsyncClient, keys: Keys, world: World, name: str) -> None:
    """In every path parameter, and in every query parameter and every value of every example of each sixth route: all
    routes with DELTA_FUZZ. Each route meets each sixth text."""
    text = TEXTS[name]
    segment = quote(text, safe="") if len(text) < 2000 else "a" * 2000
    first = list(TEXTS).index(name)
    with no_failure():
        for number, (method, template, handler) in enumerate(routes(app), first):
            headers = {**bearer(keys.project), **JSON}
            example = (handler.opt.get("example") or {}).get("request")
            path = world.url(method, template)
            if "{" in template:
                answer = await client.request(method, _fill(template, segment), json=example, headers=headers)
                assert answer.status_code < 500, (method, template, answer.text)
            if FUZZ == 1 and number % 6:
                continue
            for parameter in _query_parameters(app, method, template):
                answer = await client.request(
                    method, path, params={parameter: text[:2000]}, json=example, headers=headers
                )
                assert answer.status_code < 500, (method, template, parameter, answer.text)
            for body in _variants(example, text) if method in WITH_BODY else ():
                answer = await client.request(method, path, json=body, headers=headers)
                assert answer.status_code < 500, (method, template, body, answer.text)


@pytest.mark.parametrize("name", VALUES)
async def test_hostile_values(app: Application, client: httpx.AsyncClient, keys: Keys, world: World, name: str) -> None:
    """In place of every value of every example, by a project's key or an account's in turn: by both with DELTA_FUZZ."""
    both, first = (keys.project, keys.account), list(VALUES).index(name)
    with no_failure():
        for number, (method, template, handler) in enumerate(routes(app), first):
            example = (handler.opt.get("example") or {}).get("request")
            for body in _variants(example, VALUES[name]) if method in WITH_BODY else ():
                for key in both if FUZZ > 1 else both[number % 2 :][:1]:
                    answer = await client.request(
                        method, world.url(method, template), json=body, headers={**bearer(key), **JSON}
                    )
                    assert answer.status_code < 500, (method, template, body, answer.text)


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: f"{header[0].decode()}: {header[1][:20]!r}")
async def test_hostile_headers(
    app: Application, client: httpx.AsyncClient, keys: Keys, world: World, header: tuple[bytes, bytes]
) -> None:
    """To each third route, in turn: to all with DELTA_FUZZ."""
    good = {b"x-api-key": keys.read.encode(), b"content-type": b"application/json", b"host": b"delta.test"}
    headers = list({**good, header[0]: header[1]}.items())
    with no_failure():
        for number, (method, template, handler) in enumerate(routes(app), HEADERS.index(header)):
            if FUZZ == 1 and number % 3:
                continue
            example = (handler.opt.get("example") or {}).get("request") if method in WITH_BODY else None
            content = b"" if example is None else msgspec.json.encode(example)
            answer = await client.request(method, world.url(method, template), content=content, headers=headers)
            assert answer.status_code < 500, (method, template, answer.text)
            assert "evil.example" not in answer.text + str(answer.headers)


def test_the_log_is_really_watched() -> None:
    with pytest.raises(AssertionError), no_failure():
        structlog.get_logger().error("request failed")


def _fill(template: str, segment: str) -> str:
    return "/".join(segment if part.startswith("{") else part for part in template.split("/"))


def _query_parameters(app: Application, method: str, template: str) -> list[str]:
    for route in app.litestar.routes:
        if route.path_format == template and hasattr(route, "route_handler_map"):
            _, model = route.route_handler_map[cast("Any", method)]
            return sorted(parameter.field_alias for parameter in model.expected_query_params)
    return []


def _variants(example: Any, value: object) -> Iterator[Any]:
    """`example` with `value` in the place of each value in it."""
    for path in _paths(example):
        changed = copy.deepcopy(example)
        place = changed
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        yield changed


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in members:
        yield (*path, step)
        yield from _paths(inner, (*path, step))


async def test_large_bodies_without_a_key(
    app: Application, client: httpx.AsyncClient, keys: Keys, world: World
) -> None:
    """Those of routes that need none too, which are decoded away from the event loop."""
    with no_failure():
        for method, template in body_routes(app):
            if bare(template) == DELIVERIES:
                continue
            answer = await client.request(
                method, world.url(method, template), content=b"[%b]" % (b" " * 20_000), headers=JSON
            )
            assert 400 <= answer.status_code < 500, (method, template, answer.text)
