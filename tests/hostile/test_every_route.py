"""Every route against the table of hostile inputs: nothing gives a 5xx, and what is refused changes nothing."""

import copy
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import NoneType
from typing import Any, get_args
from urllib.parse import quote

import httpx
import msgspec
import pytest
import pytest_asyncio
import structlog
from structlog.testing import capture_logs

from delta_server.app import FEATURES, Application, guards_of
from delta_server.features.alerts.schemas import EXAMPLE_NEW as ALERT
from delta_server.features.webhooks.schemas import EXAMPLE_NEW as WEBHOOK
from delta_server.http.gate import bare
from delta_server.http.registering import LateRoute
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer, client_of, make_keys, shared, shared_fixture, started_in
from tests.hostile.inputs import BROKEN_JSON, HALVES, HEADERS, MENDABLE, ODD_JSON, TEXTS, VALUES
from tests.http.test_all_routes import SOME_ID, routes, url
from tests.often import FUZZ
from tests.secret_sweep import SWEEP
from tests.storage.opened import FakeClock

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


ONE_BY_ONE = MENDABLE | {"5,000 levels of arrays"}
"""Events are mended of these, or refused one by one."""
PROMOTE = "/v1/datasets/{}/{}/promote"
NEEDED_QUERIES = {"/v1/sync/upload": "?device_id=phone&upload_id=1"}
DELIVERIES = "/v1/webhooks/{}/{}/{}"
"""Takes what other services send, in any format and character set, by the token in its path."""
OTHER_CHARSETS = {"UTF-16", "byte order mark"}


def body_routes(app: Application) -> list[tuple[str, str]]:
    return [(method, template) for method, template, _ in routes(app) if method in WITH_BODY]


def take_no_body(app: Application) -> set[tuple[str, str]]:
    """Routes whose body may be left out."""
    fields = {(method, template): handler.parsed_data_field for method, template, handler in routes(app)}
    return {route for route, field in fields.items() if field is not None and NoneType in get_args(field.annotation)}


class World(msgspec.Struct, frozen=True):
    """Things that are there, so that inputs get past the first look-up. By name of path parameter."""

    ids: dict[str, str]

    def url(self, method: str, template: str) -> str:
        """What is deleted is not there: it is wanted again."""
        if method == "DELETE":
            return url(template)
        return re.sub(r"\{([^}]*)\}", lambda match: self.ids[match[1]], template)


SWEEP.leave_out(*TEXTS.values())


@shared_fixture
async def made_world(shared_app: Application, shared_client: httpx.AsyncClient, shared_keys: Keys) -> World:
    return await make_world(shared_app, shared_client, shared_keys)


@pytest_asyncio.fixture(loop_scope="module")
async def shared_world(
    made_world: World, shared_client: httpx.AsyncClient, shared_keys: Keys, shared_clock: FakeClock
) -> World:
    """Still there, and open to both keys, whatever the tests before have sent; a minute later, for who may call so
    often in each."""
    shared_clock.advance(60_000)
    for key in (shared_keys.project, shared_keys.account):
        for path in ("/v1/snapshots/{snapshot}", "/v1/deltas/{delta}", "/v1/endpoints/{endpoint}", "/v1/users/{user}"):
            params = {"project_id": made_world.ids["project_id"]}
            answer = await shared_client.get(path.format(**made_world.ids), params=params, headers=bearer(key))
            assert answer.status_code == 200, (path, answer.text)
    return made_world


async def make_world(app: Application, client: httpx.AsyncClient, keys: Keys) -> World:
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
    rule = await client.post("/v1/alerts/rules", json={**ALERT, "endpoint": snapshot["endpoint_id"]}, headers=headers)
    assert rule.status_code == 201, rule.text
    saved = await client.post(
        "/v1/saved-queries", json={"name": "a", "kind": "sql", "spec": {"sql": "select 1"}}, headers=headers
    )
    assert saved.status_code == 201, saved.text
    noted = await client.post("/v1/annotations", json={"text": "a"}, headers=headers)
    board = await client.post("/v1/boards", json={"name": "a"}, headers=headers)
    share = await client.post(f"/v1/boards/{board.json()['board']['id']}/shares", json={}, headers=headers)
    note = {"change_id": "c", "record_id": "note", "operation": "insert", "data": {"text": "Milk"}}
    pushed = {"device_id": "phone", "batch_id": "b", "changes": [note]}
    assert (await client.post("/v1/sync/notes/delta", json=pushed, headers=headers)).status_code == 200
    [device] = (await client.get("/v1/devices", headers=headers)).json()["data"]
    shop = "/v1/datasets/products/shop"
    for _ in range(2):
        sent = await client.put(f"{shop}/current", content=b"1\n", headers={**headers, "content-type": "text/csv"})
        assert sent.status_code == 200, sent.text
        await client.post(f"{shop}/promote", headers=headers)
    return World(
        {
            "backup": SOME_ID,
            "label": "endpoint",
            "dataset": "products",
            "job_id": SOME_ID,
            "client": "shop",
            "data_type": "notes",
            "device_id": device["id"],
            "conflict_id": SOME_ID,
            "record_id": "note",
            "webhook_id": hook.json()["webhook"]["id"],
            "delivery_id": SOME_ID,
            "kept_id": SOME_ID,
            "event_type": "identify",
            "annotation_id": noted.json()["annotation"]["id"],
            "board_id": board.json()["board"]["id"],
            "share_id": share.json()["share"]["id"],
            "link_id": share.json()["share"]["id"],
            "tile_id": "a",
            "query_id": saved.json()["saved_query"]["id"],
            "rule_id": rule.json()["rule"]["id"],
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


class Still(msgspec.Struct, frozen=True):
    """A server of its own for what is refused: nothing of what the other tests sent is still being worked on there."""

    app: Application
    client: httpx.AsyncClient
    keys: Keys
    world: World
    clock: FakeClock


@shared_fixture
async def still(tmp_path_factory: pytest.TempPathFactory, secrets_of_module: None) -> AsyncIterator[Still]:
    clock = FakeClock()
    async with started_in(tmp_path_factory.mktemp("still"), clock) as app, client_of(app) as client:
        keys = await make_keys(app.services, clock)
        yield Still(app, client, keys, await make_world(app, client, keys), clock)


async def rows(app: Application) -> dict[str, int]:
    return await app.services.db.read(_rows)


BEHIND = {"profiled", "endpoint_schema", "endpoint_schema_change", "event_schema", "event_schema_values"}
BEHIND |= {"event_schema_change", "event_schema_progress"}
"""Tables of what is learned in the background from what was sent before."""


def _rows(tx: Tx) -> dict[str, int]:
    tables = tx.all("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name: tx.all(f'SELECT count(*) FROM "{name}"')[0][0] for (name,) in tables if name not in BEHIND}


@pytest.mark.parametrize("name", BROKEN_JSON)
@shared
async def test_broken_bodies(still: Still, name: str) -> None:
    """Refused by each third route in turn, in one of the ways a document can come, by all in all of them with
    DELTA_FUZZ, and nothing is written. Events are mended of some."""
    app, client, keys, world = still.app, still.client, still.keys, still.world
    still.clock.advance(60_000)  # a minute later, for who may call so often in each
    before = await rows(app)
    ways = [(query, key) for query in ("", "?endpoint=hostile") for key in (keys.project, keys.account)]
    first = list(BROKEN_JSON).index(name)
    may_be_empty = set() if BROKEN_JSON[name] else take_no_body(app)
    takes_events = {path for (_, path), access in GUARDS.items() if access.scope == "ingest" and name in ONE_BY_ONE}
    with no_failure():
        for number, (method, template) in enumerate(body_routes(app), first):
            if (FUZZ == 1 and number % 3) or (method, template) in may_be_empty:
                continue
            takes_it = name in HALVES and GUARDS[method, bare(template)].body == "document"
            takes_it = takes_it or (bare(template) == DELIVERIES and name in OTHER_CHARSETS)
            if bare(template) in takes_events or takes_it:
                continue
            for query, key in ways if FUZZ > 1 else [ways[number // 3 % len(ways)]]:
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
@shared
async def test_odd_bodies(
    shared_app: Application, shared_client: httpx.AsyncClient, shared_keys: Keys, shared_world: World, name: str
) -> None:
    """To each third route, by the name of an endpoint or without, in turn: to all in both ways with DELTA_FUZZ."""
    ways = ("", "?endpoint=hostile")
    with no_failure():
        for number, (method, template) in enumerate(body_routes(shared_app), list(ODD_JSON).index(name)):
            if FUZZ == 1 and number % 3:
                continue
            for query in ways if FUZZ > 1 else [ways[number // 3 % 2]]:
                answer = await shared_client.request(
                    method,
                    shared_world.url(method, template) + query,
                    content=ODD_JSON[name],
                    headers={**bearer(shared_keys.project), **JSON},
                )
                assert answer.status_code < 500, (method, template, answer.text)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
@shared
async def test_bodies_that_need_no_preflight_are_refused(
    shared_app: Application, shared_client: httpx.AsyncClient, shared_keys: Keys, kind: str
) -> None:
    """But where events are taken, from all sites: no browser adds a key to such a request by itself."""
    for method, template, handler in routes(shared_app):
        reads_body = {"data", "request"} & handler.parsed_fn_signature.parameters.keys()
        if method not in WITH_BODY or not reads_body or GUARDS[method, bare(template)].cross_origin:
            continue
        if bare(template) in (DELIVERIES, PROMOTE):  # takes forms, by a token in the path; takes no body
            continue
        if template.startswith("/v1/prometheus/") and kind.endswith("urlencoded"):  # takes forms, and only reads
            continue
        headers = {**bearer(shared_keys.project), "content-type": kind}
        path = url(template) + NEEDED_QUERIES.get(template, "")
        answer = await shared_client.request(method, path, content=b'{"name": "a"}', headers=headers)
        assert answer.status_code in (403, 415), (method, template)


@pytest.mark.parametrize("name", TEXTS)
@shared
async def test_hostile_texts(
    shared_app: Application, shared_client: httpx.AsyncClient, shared_keys: Keys, shared_world: World, name: str
) -> None:
    """In every path parameter of each 16th route, and in every query parameter and every value of every example of
    each 32nd, in turn: of all routes with DELTA_FUZZ."""
    text = TEXTS[name]
    segment = quote(text, safe="") if len(text) < 2000 else "a" * 2000
    first = list(TEXTS).index(name)
    with no_failure():
        for number, (method, template, handler) in enumerate(routes(shared_app), first):
            headers = {**bearer(shared_keys.project), **JSON}
            example = (handler.opt.get("example") or {}).get("request")
            path = shared_world.url(method, template)
            if "{" in template and (FUZZ > 1 or number % 16 == 0):
                answer = await shared_client.request(method, _fill(template, segment), json=example, headers=headers)
                assert answer.status_code < 500, (method, template, answer.text)
            if FUZZ == 1 and number % 32:
                continue
            for parameter in _query_parameters(shared_app, method, template):
                answer = await shared_client.request(
                    method, path, params={parameter: text[:2000]}, json=example, headers=headers
                )
                assert answer.status_code < 500, (method, template, parameter, answer.text)
            for body in _variants(example, text) if method in WITH_BODY else ():
                answer = await shared_client.request(method, path, json=body, headers=headers)
                assert answer.status_code < 500, (method, template, body, answer.text)


@pytest.mark.parametrize("name", VALUES)
@shared
async def test_hostile_values(
    shared_app: Application, shared_client: httpx.AsyncClient, shared_keys: Keys, shared_world: World, name: str
) -> None:
    """In place of each sixth value of every example in turn, by a project's key or an account's: everywhere and by
    both with DELTA_FUZZ."""
    both, first = (shared_keys.project, shared_keys.account), list(VALUES).index(name)
    with no_failure():
        for number, (method, template, handler) in enumerate(routes(shared_app), first):
            example = (handler.opt.get("example") or {}).get("request")
            variants = list(_variants(example, VALUES[name])) if method in WITH_BODY else []
            for body in variants if FUZZ > 1 else variants[number // 2 % 6 :: 6]:
                for key in both if FUZZ > 1 else both[number % 2 :][:1]:
                    answer = await shared_client.request(
                        method, shared_world.url(method, template), json=body, headers={**bearer(key), **JSON}
                    )
                    assert answer.status_code < 500, (method, template, body, answer.text)


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: f"{header[0].decode()}: {header[1][:20]!r}")
@shared
async def test_hostile_headers(
    shared_app: Application,
    shared_client: httpx.AsyncClient,
    shared_keys: Keys,
    shared_world: World,
    header: tuple[bytes, bytes],
) -> None:
    """To each 18th route, in turn: to all with DELTA_FUZZ."""
    good = {b"x-api-key": shared_keys.read.encode(), b"content-type": b"application/json", b"host": b"delta.test"}
    headers = list({**good, header[0]: header[1]}.items())
    with no_failure():
        for number, (method, template, handler) in enumerate(routes(shared_app), HEADERS.index(header)):
            if FUZZ == 1 and number % 18:
                continue
            example = (handler.opt.get("example") or {}).get("request") if method in WITH_BODY else None
            content = b"" if example is None else msgspec.json.encode(example)
            answer = await shared_client.request(
                method, shared_world.url(method, template), content=content, headers=headers
            )
            assert answer.status_code < 500, (method, template, answer.text)
            assert "evil.example" not in answer.text + str(answer.headers)


def test_the_log_is_really_watched() -> None:
    with pytest.raises(AssertionError), no_failure():
        structlog.get_logger().error("request failed")


def _fill(template: str, segment: str) -> str:
    return "/".join(segment if part.startswith("{") else part for part in template.split("/"))


def _query_parameters(app: Application, method: str, template: str) -> list[str]:
    for route in app.litestar.routes:
        if route.path_format == template and isinstance(route, LateRoute):
            return sorted(parameter.field_alias for parameter in route.parameters(method).expected_query_params)
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


@shared
async def test_large_bodies_without_a_key(
    shared_app: Application, shared_client: httpx.AsyncClient, shared_keys: Keys, shared_world: World
) -> None:
    """Those of routes that need none too, which are decoded away from the event loop."""
    with no_failure():
        for method, template in body_routes(shared_app):
            if bare(template) == DELIVERIES:
                continue
            answer = await shared_client.request(
                method, shared_world.url(method, template), content=b"[%b]" % (b" " * 20_000), headers=JSON
            )
            assert 400 <= answer.status_code < 500, (method, template, answer.text)
