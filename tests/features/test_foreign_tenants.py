"""What one project has, another does not see: whichever of the two was first, by ids and by equal names."""

import httpx
import pytest

from tests.conftest import Keys, bearer

BOTH_WAYS = [("project", "other"), ("other", "project")]  # the first has the smaller number in every table
BY_ID = [
    "/v1/snapshots/{snapshot}",
    "/v1/snapshots?endpoint_id={endpoint}",
    "/v1/deltas?endpoint_id={endpoint}",
    "/v1/deltas?since_snapshot={snapshot}",
    "/v1/endpoints/{endpoint}",
]


async def _stored(client: httpx.AsyncClient, key: str, price: int) -> dict[str, str]:
    """The ids of an endpoint `prices` and of the first of its two snapshots."""
    first = await client.post("/v1/snapshots?endpoint=prices", json={"price": price}, headers=bearer(key))
    await client.post("/v1/snapshots?endpoint=prices", json={"price": price + 1}, headers=bearer(key))
    assert first.status_code == 201
    snapshot = first.json()["snapshot"]
    return {"snapshot": snapshot["id"], "endpoint": snapshot["endpoint_id"]}


@pytest.mark.parametrize(("owner", "stranger"), BOTH_WAYS)
async def test_a_stranger_finds_nothing_by_id(client: httpx.AsyncClient, keys: Keys, owner: str, stranger: str) -> None:
    ids = {name: await _stored(client, getattr(keys, name), 10) for name in ("project", "other")}
    for path in BY_ID:
        mine = path.format(**ids[owner])
        assert (await client.get(mine, headers=bearer(getattr(keys, owner)))).status_code == 200, mine
        assert (await client.get(mine, headers=bearer(getattr(keys, stranger)))).status_code == 404, mine


@pytest.mark.parametrize(("owner", "stranger"), BOTH_WAYS)
async def test_equal_names_are_each_project_s_own(
    client: httpx.AsyncClient, keys: Keys, owner: str, stranger: str
) -> None:
    ids = {name: await _stored(client, getattr(keys, name), 10) for name in ("project", "other")}
    found = (await client.get("/v1/snapshots?endpoint=prices", headers=bearer(getattr(keys, owner)))).json()["data"]
    assert len(found) == 2
    assert {snapshot["endpoint_id"] for snapshot in found} == {ids[owner]["endpoint"]} != {ids[stranger]["endpoint"]}
