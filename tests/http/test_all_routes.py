"""Laws over all routes: a key is needed, each has a guard, each is described."""

import os
import re
from contextlib import suppress
from types import NoneType
from typing import Any, get_args

import httpx
import msgspec
import pytest
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.routes import HTTPRoute

from delta_server import app as delta_app
from delta_server.app import FEATURES, Application
from delta_server.config.sections import Config
from delta_server.core import secrets
from delta_server.core.scopes import ALL, SINGLES, UNIONS
from delta_server.features.accounts import service as accounts
from delta_server.features.projects import service as projects
from delta_server.http import static
from delta_server.http.feature import Feature
from delta_server.http.gate import bare
from delta_server.http.guards import READ, UnguardedRoute
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer, shared
from tests.features.users.people import signed_in
from tests.often import FUZZ
from tests.storage.opened import FakeClock

GUARDS = delta_app.guards_of(FEATURES)
PUBLIC = {
    ("GET", "/healthz"),
    ("GET", "/v1/health"),
    ("GET", "/docs"),
    ("GET", "/docs/openapi.json"),
    ("GET", "/docs/{}"),
    *static.GUARDS,
    ("GET", "/v1/setup"),
    ("POST", "/v1/setup"),
    ("POST", "/v1/auth/register"),
    ("POST", "/v1/auth/confirm-email"),
    ("POST", "/v1/auth/forgot-password"),
    ("POST", "/v1/invitations/accept"),  # by an access token or a password
    ("POST", "/v1/auth/login"),
    ("POST", "/v1/auth/login/totp"),
    ("GET", "/v1/auth/methods"),
    ("GET", "/v1/auth/oidc/login"),
    ("GET", "/v1/auth/oidc/callback"),  # by the cookie of the login; 404 where there is no provider
    ("POST", "/v1/auth/login/header"),  # of a trusted proxy; 403 where none is configured
    ("POST", "/v1/auth/refresh"),
    ("POST", "/v1/auth/logout"),  # by an access token or the cookie; 401 without either
    ("POST", "/v1/auth/reset-password"),
    ("POST", "/v1/webhooks/{}/{}/{}"),  # by the token in the path; 404 without
    ("GET", "/v1/feeds/{}/atom.xml"),  # likewise
    ("GET", "/v1/feeds/{}/feed.json"),
    ("GET", "/script.js"),
    ("GET", "/shared/{}"),
    ("POST", "/v1/shared-boards/{}/open"),  # by the token in the body; 404 without
    ("POST", "/v1/shared-boards/{}/tiles/{}"),  # by a ticket
}
OF_WRITE_KEYS = ("ingest", "visits:write")
SOME_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


NEVER_LIMITED = {
    *static.GUARDS,
    *(("GET", path) for path in ("/docs", "/docs/openapi.json", "/docs/{}", "/healthz", "/v1/health")),
    *(("GET", path) for path in ("/healthz/details", "/metrics")),
}


def routes(app: Application) -> list[tuple[str, str, HTTPRouteHandler]]:
    """(method, path template, handler) of all routes but OPTIONS."""
    return [
        (method, route.path_format, handler)
        for route in app.litestar.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS"
    ]


def url(template: str) -> str:
    """One that is answered at once: an open stream would never end."""
    return re.sub(r"\{[^}]*\}", SOME_ID, template) + ("?topics=none" if template.endswith("/stream") else "")


def test_every_route_is_limited_but_health_and_files() -> None:
    free = {route for route, access in GUARDS.items() if access.rate_class is None}
    free -= {
        route for route, access in GUARDS.items() if access.public and access.cross_origin
    }  # ingest_auth.py counts those
    assert free == NEVER_LIMITED
    assert {access.rate_class for access in GUARDS.values() if access.scope == "ingest"} == {"ingest", "visits"}


@shared
async def test_every_route_wants_a_key(
    shared_app: Application, shared_client: httpx.AsyncClient, shared_clock: FakeClock
) -> None:
    shared_clock.advance(60_000)  # a minute later, for who may call so often in each
    opened = set()
    for method, template, _ in routes(shared_app):
        answer = await shared_client.request(method, url(template))
        if answer.status_code != 401 or (method, bare(template)) in PUBLIC:
            opened.add((method, bare(template)))
            continue
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
    assert opened == PUBLIC


@pytest.mark.parametrize("kind", ["revoked", "expired", "unknown", "garbage", "empty"])
@shared
async def test_keys_that_are_no_good(
    shared_app: Application, shared_client: httpx.AsyncClient, shared_keys: Keys, kind: str, shared_clock: FakeClock
) -> None:
    shared_clock.advance(60_000)  # a minute later, for who may call so often in each
    key = {
        "revoked": shared_keys.revoked,
        "expired": shared_keys.expired,
        "unknown": shared_keys.project[:-8] + "00000000",
        "garbage": "\u00e9",
        "empty": "",
    }[kind]
    headers = {b"authorization": b"Bearer " + key.encode()}
    for method, template, _ in routes(shared_app):
        if (method, bare(template)) not in PUBLIC:
            assert (await shared_client.request(method, url(template), headers=headers)).status_code == 401


@pytest.mark.parametrize("scope", ALL)
@shared
async def test_scopes(
    shared_app: Application, shared_client: httpx.AsyncClient, shared_keys: Keys, scope: str, shared_clock: FakeClock
) -> None:
    """A key without the scope is refused before anything else is looked at, and told which; one with it never is.
    Without it each fourth route is tried in turn: all with DELTA_FUZZ."""
    shared_clock.advance(60_000)  # a minute later, for who may call so often in each
    key = await of_scope(shared_app, "mine", scope)
    for number, (method, template, _) in enumerate(routes(shared_app), ALL.index(scope)):
        access = GUARDS[method, bare(template)]
        lacks = access.takes_scope and access.needs not in UNIONS.get(scope, {scope})
        if access.public or (lacks and FUZZ == 1 and number % 4):
            continue
        answer = await shared_client.request(method, url(template), headers=bearer(key))
        refused = lacks or access.keys in ("account", "person")
        assert (answer.status_code == 403) == refused, (method, template, scope, answer.text)
        if lacks and access.keys != "account" and scope not in OF_WRITE_KEYS:
            assert f"lacks the scope {access.needs}" in answer.json()["message"]


@pytest.mark.parametrize("scope", [scope for scope in ALL if scope not in OF_WRITE_KEYS])
@shared
async def test_scopes_of_account_keys(
    shared_app: Application, shared_client: httpx.AsyncClient, shared_keys: Keys, scope: str, shared_clock: FakeClock
) -> None:
    shared_clock.advance(60_000)  # a minute later, for who may call so often in each
    key = await of_scope(shared_app, None, scope)
    for method, template, _ in routes(shared_app):
        access = GUARDS[method, bare(template)]
        if access.keys == "account":
            answer = await shared_client.request(method, url(template), headers=bearer(key))
            refused = access.needs not in UNIONS.get(scope, {scope})
            assert (answer.status_code == 403) == refused, (method, template, scope, answer.text)


async def of_scope(app: Application, project: str | None, scope: str) -> str:
    def made(tx: Tx) -> str:
        account = accounts.default_account(tx)
        randomness = os.urandom(secrets.RANDOM_BYTES)
        owner = None if project is None else projects.ensure(tx, account, project).id
        if scope in OF_WRITE_KEYS and owner is not None:
            return accounts.add_write_key(tx, account, owner, randomness=randomness, scopes=[scope])
        return accounts.add_key(tx, account, owner, randomness=randomness, scopes=[scope])

    return await app.services.db.write(made)


def test_every_scope_opens_a_route_and_every_route_asks_for_one() -> None:
    assert {access.needs for access in GUARDS.values() if access.takes_scope} == set(SINGLES)


@shared
async def test_account_keys_stay_out_of_projects(
    shared_app: Application, shared_client: httpx.AsyncClient, shared_keys: Keys, shared_clock: FakeClock
) -> None:
    shared_clock.advance(60_000)  # a minute later, for who may call so often in each
    for method, template, _ in routes(shared_app):
        if not GUARDS[method, bare(template)].public:
            answer = await shared_client.request(method, url(template), headers=bearer(shared_keys.account))
            wanted = GUARDS[method, bare(template)].keys in ("project", "person")
            assert (answer.status_code == 403) == wanted, (method, template)


@pytest.mark.parametrize("role", [None, "viewer", "editor", "admin"], ids=str)
async def test_people_may_what_their_role_in_the_project_says(
    app: Application, client: httpx.AsyncClient, keys: Keys, role: str | None
) -> None:
    """Of a member of the instance, who names the project `mine` beside the access token."""
    token = await signed_in(app, client, "ada@example.com")
    if role is not None:
        body = {"role": role}
        answer = await client.put("/v1/projects/mine/members/ada@example.com", json=body, headers=bearer(keys.account))
        assert answer.status_code == 200
    union = {None: None, "viewer": "read", "editor": "write", "admin": "admin"}[role]
    for method, template, _ in routes(app):
        access = GUARDS[method, bare(template)]
        if access.public:
            continue
        answer = await client.request(method, url(template), headers=bearer(token) | {"x-tenant-id": "mine"})
        person = access.keys == "person" and role is not None
        refused = not person and (access.keys == "account" or access.needs not in UNIONS.get(union or "", ()))
        assert (answer.status_code == 403) == refused, (method, template, answer.text)


async def test_sessions_that_are_over(app: Application, client: httpx.AsyncClient, clock: FakeClock) -> None:
    token = await signed_in(app, client, "ada@example.com", "owner")
    await client.post("/v1/auth/logout", headers=bearer(token))
    for method, template, _ in routes(app):
        if (method, bare(template)) not in PUBLIC:
            answer = await client.request(method, url(template), headers=bearer(token))
            assert answer.status_code == 401, (method, template)


def test_the_guard_table_has_no_stale_rows(app: Application) -> None:
    assert {(method, bare(template)) for method, template, _ in routes(app)} == set(GUARDS)


def test_a_route_that_asks_for_an_unknown_scope_stops_the_start(config: Config) -> None:
    odd = Feature(name="oddities", guards={("GET", "/v1/oddities"): READ})
    with pytest.raises(UnguardedRoute, match="oddities:read"):
        delta_app.routed(config, [*FEATURES, odd])


def test_a_route_without_a_guard_stops_the_start(config: Config) -> None:
    @get("/v1/forgotten/{name:str}", sync_to_thread=False)
    def forgotten(name: FromPath[str]) -> str:
        return name

    with pytest.raises(UnguardedRoute, match=r"GET /v1/forgotten/\{\}"):
        delta_app.routed(config, [*FEATURES, Feature(name="forgetful", routes=[forgotten])])


def test_a_route_that_would_skip_the_gate_stops_the_start(config: Config) -> None:
    async def nothing(request: Request[Any, Any, Any]) -> None:
        """Litestar asks the innermost of such functions only."""

    @get("/v1/sneaky", sync_to_thread=False, before_request=nothing)
    def sneaky() -> str:
        return ""

    with pytest.raises(UnguardedRoute, match="GET /v1/sneaky"):
        delta_app.routed(
            config, [*FEATURES, Feature(name="endpoints", routes=[sneaky], guards={("GET", "/v1/sneaky"): READ})]
        )


async def test_every_route_is_described(client: httpx.AsyncClient) -> None:
    document = (await client.get("/docs/openapi.json")).json()
    missing = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            missing += [f"{method.upper()} {path}: {what}" for what in _undescribed(operation)]
    assert missing == []


def _undescribed(operation: dict[str, Any]) -> list[str]:
    missing = [] if operation.get("summary") and operation.get("tags") else ["summary or tags"]
    bodies = operation.get("requestBody", {}).get("content", {})
    missing += [f"an example of its {kind} request" for kind, body in bodies.items() if "example" not in body]
    for status, answer in operation["responses"].items():
        contents = answer.get("content") or {}
        missing += [f"an example of its {status}" for content in contents.values() if "example" not in content]
    return missing


def test_request_examples_are_valid(app: Application) -> None:
    for method, template, handler in routes(app):
        example = (handler.opt.get("example") or {}).get("request")
        field = handler.parsed_data_field
        if field is not None:
            assert example is not None, (method, template)
            msgspec.convert(example, field.annotation)


NEED_A_BODY = {"/v1/deltas/compare", "/v1/endpoints/{endpoint}/preview", "/v1/auth/api-keys"}
"""One or another of their fields must be there; and a body that was lost makes no key that may write."""


def test_a_body_with_nothing_to_say_may_be_left_out(app: Application) -> None:
    """Of POST: of PUT and PATCH, whose body takes the place of what was set, an empty one is more likely lost."""
    wrong = []
    for method, template, handler in routes(app):
        field = handler.parsed_data_field
        if method != "POST" or field is None or NoneType in get_args(field.annotation) or template in NEED_A_BODY:
            continue
        with suppress(msgspec.ValidationError):
            msgspec.convert({}, field.annotation)
            wrong.append(template)
    assert wrong == []


@shared
async def test_what_is_posted_without_a_body(shared_client: httpx.AsyncClient, shared_keys: Keys) -> None:
    headers = bearer(shared_keys.project)
    board = await shared_client.post("/v1/boards", json={"name": "a"}, headers=headers)
    at = {"board": board.json()["board"]["id"], "endpoint": "prices"}
    sent = await shared_client.post("/v1/snapshots?endpoint=prices", json={"a": 1}, headers=headers)
    assert sent.status_code == 201
    for path, status in (
        ("/v1/boards/{board}/shares", 201),
        ("/v1/feeds", 201),
        ("/v1/auth/api-keys", 400),
        ("/v1/query", 200),
        ("/v1/query/retention", 200),
        ("/v1/query/paths", 200),
        ("/v1/endpoints/{endpoint}/schema/kept-aside/accept", 200),
    ):
        answer = await shared_client.post(path.format(**at), headers=headers)
        assert answer.status_code == status, (path, answer.text)
    refused = await shared_client.post("/v1/feeds", content=b" ", headers={**headers, "content-type": "text/plain"})
    assert refused.status_code == 415
    taken = await shared_client.post("/v1/backups", headers=bearer(shared_keys.account))
    assert taken.status_code in (202, 409), taken.text
