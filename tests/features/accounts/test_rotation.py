"""Keys that take another's place, how long keys may be valid, and what is known of who made them."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core import secrets
from delta_server.features.accounts import tasks
from delta_server.features.users import service as users
from tests.conftest import SHARED, Keys, bearer, shared
from tests.features.users.people import signed_in
from tests.one_server import alone
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys
from tests.storage.opened import FakeClock

pytestmark = SHARED

KEYS = "/v1/auth/api-keys"
HOUR_MS = 3_600_000


def id_of(key: str) -> str:
    return secrets.parse(key).public_id


async def made(client: httpx.AsyncClient, by: str, **body: Any) -> str:
    answer = await client.post(KEYS, json=body, headers=bearer(by))
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["key"]
    return key


async def rotated(client: httpx.AsyncClient, by: str, key: str, body: Any = None, status: int = 201) -> dict[str, Any]:
    answer = await client.post(f"{KEYS}/{id_of(key)}/rotate", json=body, headers=bearer(by))
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def listed(client: httpx.AsyncClient, by: str) -> dict[str, dict[str, Any]]:
    return {key["id"]: key for key in (await client.get(KEYS, headers=bearer(by))).json()["data"]}


async def works(client: httpx.AsyncClient, key: str) -> bool:
    answer = await client.get("/v1/endpoints", headers=bearer(key))
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "overlap_ms"),
    [(None, 24 * HOUR_MS), ({}, 24 * HOUR_MS), ({"overlap": "1h"}, HOUR_MS), ({"overlap": "30d"}, 720 * HOUR_MS)],
    ids=str,
)
async def test_both_keys_are_valid_until_the_overlap_is_over(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock, body: Any, overlap_ms: int
) -> None:
    old = await made(client, keys.project, name="ci", scopes=["read", "snapshots:write"])
    answer = await rotated(client, keys.project, old, body)
    new, shown = answer["key"], answer["api_key"]
    assert answer["replaced_id"] == id_of(old)
    assert (shown["name"], shown["scopes"], shown["expires_at"]) == ("ci", ["read", "snapshots:write"], None)
    before = (await listed(client, keys.project))[id_of(old)]
    assert (before["replaced_by"], before["expires_at"]) == (shown["id"], answer["replaced_expires_at"])
    clock.advance(overlap_ms - 1)
    assert (await works(client, old), await works(client, new)) == (True, True)
    clock.advance(1)
    assert (await works(client, old), await works(client, new)) == (False, True)


@shared
async def test_without_an_overlap_the_old_key_ends_at_once(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for text in ("0s", "0"):
        old = await made(shared_client, own_keys.project)
        new = (await rotated(shared_client, own_keys.project, old, {"overlap": text}))["key"]
        assert (await works(shared_client, old), await works(shared_client, new)) == (False, True)


@pytest.mark.parametrize("content_type", [{}, {"content-type": "application/json"}], ids=str)
@shared
async def test_without_a_body(shared_client: httpx.AsyncClient, own_keys: Keys, content_type: dict[str, str]) -> None:
    old = await made(shared_client, own_keys.project)
    headers = bearer(own_keys.project) | content_type
    answer = await shared_client.post(f"{KEYS}/{id_of(old)}/rotate", headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{KEYS}/{answer.json()['api_key']['id']}"


@shared
async def test_a_key_rotates_itself(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    """The last admin key too: there is one at every moment."""
    new = (await rotated(shared_client, own_keys.project, own_keys.project, {"overlap": "0s"}))["key"]
    assert (await works(shared_client, own_keys.project), await works(shared_client, new)) == (False, True)
    await made(shared_client, new, scopes=["admin"])


@shared
async def test_the_last_admin_key_is_not_rotated_into_one_that_ends_soon(
    shared_client: httpx.AsyncClient, own_keys: Keys
) -> None:
    soon = {"overlap": "0s", "expires_in": "59m"}
    answer = await rotated(shared_client, own_keys.project, own_keys.project, soon, status=409)
    assert "last key with the scope admin" in answer["detail"]
    assert await works(shared_client, own_keys.project)
    ends = await made(shared_client, own_keys.project, scopes=["admin"], expires_in="50m")
    await rotated(shared_client, own_keys.project, ends, soon)
    await rotated(shared_client, own_keys.project, own_keys.project, soon, status=409)
    await rotated(shared_client, own_keys.account, own_keys.project, soon)


@shared
async def test_where_there_is_another_admin_key_one_is_rotated_into_any(
    shared_client: httpx.AsyncClient, own_keys: Keys
) -> None:
    await made(shared_client, own_keys.project, scopes=["admin"], expires_in="2h")
    await rotated(shared_client, own_keys.project, own_keys.project, {"overlap": "0s", "expires_in": "59m"})


@shared
async def test_kinds_and_sites_stay(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    sites = ["https://shop.example"]
    old = await made(shared_client, own_keys.project, kind="write", origins=sites)
    answer = await rotated(shared_client, own_keys.project, old)
    assert answer["key"].startswith("dk_write_")
    assert (answer["api_key"]["kind"], answer["api_key"]["origins"]) == ("write", sites)
    account = await made(shared_client, own_keys.account, scopes=["read"])
    answer = await rotated(shared_client, own_keys.account, account)
    assert (answer["key"][:8], answer["api_key"]["kind"]) == ("dk_user_", "account")


async def test_a_copy_of_a_rotated_key_cannot_be_made_to_last(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    old = await made(client, keys.project, scopes=["admin"])
    new = await rotated(client, keys.project, old, {"overlap": "2h"})
    assert new["api_key"]["id"] in (await rotated(client, old, old, status=409))["message"]
    child = await made(client, old, scopes=["admin"])
    await rotated(client, old, new["key"], {"expires_in": "3h"}, status=403)
    answer = await client.post(KEYS, json={"expires_in": "3h"}, headers=bearer(old))
    assert (answer.status_code, "valid for longer than itself" in answer.json()["message"]) == (403, True)
    clock.advance(2 * HOUR_MS)
    assert (await works(client, old), await works(client, child), await works(client, new["key"])) == (
        False,
        False,
        True,
    )


@shared
async def test_who_has_less_rotates_nothing_that_has_more(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    less = await made(shared_client, own_keys.project, scopes=["keys:admin", "read"])
    before = await listed(shared_client, own_keys.project)
    for key in (own_keys.project, own_keys.write, own_keys.ingest):
        await rotated(shared_client, less, key, status=403)
    assert await listed(shared_client, own_keys.project) == before
    await rotated(shared_client, less, own_keys.read)
    await rotated(shared_client, less, less)


@pytest.mark.parametrize(
    ("own", "wanted", "ends"),
    [
        (None, {}, None),
        (None, {"expires_in": "30d"}, "2026-01-31T00:00:00.002Z"),
        (None, {"expires_at": "2026-02-01"}, "2026-02-01T00:00:00.000Z"),
        ("10d", {}, "2026-01-11T00:00:00.002Z"),
        ("10d", {"expires_at": None}, "2026-01-11T00:00:00.002Z"),
        ("10d", {"expires_in": "10d"}, "2026-01-11T00:00:00.002Z"),
        ("10d", {"expires_in": "1d"}, "2026-01-02T00:00:00.002Z"),
        ("10d", {"expires_in": "11d"}, 403),
        ("10d", {"expires_at": "2026-02-01"}, 403),
        ("10d", {"kind": "write", "expires_in": "11d"}, 403),
    ],
    ids=str,
)
async def test_a_key_makes_none_that_is_valid_for_longer(
    client: httpx.AsyncClient, keys: Keys, own: str | None, wanted: dict[str, Any], ends: Any
) -> None:
    maker = keys.project if own is None else await made(client, keys.project, scopes=["admin"], expires_in=own)
    before = await listed(client, keys.project)
    answer = await client.post(KEYS, json=wanted, headers=bearer(maker))
    if ends == 403:
        assert answer.status_code == 403
        assert await listed(client, keys.project) == before
    else:
        assert answer.json()["api_key"]["expires_at"] == ends


@pytest.mark.parametrize(
    ("by", "wanted", "ends"),
    [
        ("project", {}, "2026-01-12T00:00:00.002Z"),
        ("project", {"expires_in": "1d"}, "2026-01-03T00:00:00.002Z"),
        ("itself", {}, "2026-01-11T00:00:00.002Z"),
        ("itself", {"expires_in": "1d"}, "2026-01-03T00:00:00.002Z"),
    ],
    ids=str,
)
async def test_a_new_key_is_valid_as_long_as_the_old_one_was_to(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock, by: str, wanted: dict[str, Any], ends: str
) -> None:
    old = await made(client, keys.project, scopes=["admin"], expires_in="10d")
    clock.advance(24 * HOUR_MS)
    answer = await rotated(client, keys.project if by == "project" else old, old, wanted)
    assert answer["api_key"]["expires_at"] == ends


@shared
async def test_a_repeated_rotation_makes_one_key(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    old = await made(shared_client, own_keys.project)
    headers = {**bearer(own_keys.project), "idempotency-key": "once"}
    first, second = [
        await shared_client.post(f"{KEYS}/{id_of(old)}/rotate", json={}, headers=headers) for _ in range(2)
    ]
    assert second.json() == first.json() | {"key": None}
    assert (await listed(shared_client, own_keys.project))[id_of(old)]["replaced_by"] == first.json()["api_key"]["id"]


@shared
async def test_a_project_is_named_shortly(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    key = await made(shared_client, own_keys.account, project="mine", scopes=["read"])
    assert id_of(key) in await listed(shared_client, own_keys.project)


async def test_the_first_and_the_last_use_are_known(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    key = await made(client, keys.project)
    times = []
    for _ in range(2):
        assert await works(client, key)
        await tasks.write_last_uses(app.services)
        shown = (await listed(client, keys.project))[id_of(key)]
        times.append((shown["first_used_at"], shown["last_used_at"]))
        clock.advance(HOUR_MS)
    first, second = "2026-01-01T00:00:00.002Z", "2026-01-01T01:00:00.002Z"
    assert times == [(first, first), (first, second)]


@alone
async def test_keys_outlive_who_made_them_and_the_list_says_so(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    """As a project's deploy keys do elsewhere: they are the project's, and its admins revoke them."""
    token = await signed_in(app, client, "ada@example.com")
    member = "/v1/projects/mine/members/ada@example.com"
    await client.put(member, json={"role": "admin"}, headers=bearer(keys.project))
    answer = await client.post(KEYS, json={}, headers=bearer(token) | {"x-tenant-id": "mine"})
    key = answer.json()["key"]

    async def state() -> tuple[str, str, bool]:
        shown = (await listed(client, keys.project))[id_of(key)]["created_by"]
        return shown["email"], shown["state"], await works(client, key)

    assert await state() == ("ada@example.com", "active", True)
    await client.delete(member, headers=bearer(keys.project))
    assert await state() == ("ada@example.com", "removed", True)
    await client.put(member, json={"role": "viewer"}, headers=bearer(keys.project))
    assert await state() == ("ada@example.com", "active", True)
    await app.services.db.write(lambda tx: users.disable(tx, users.named(tx, "ada@example.com")))
    assert await state() == ("ada@example.com", "disabled", True)
