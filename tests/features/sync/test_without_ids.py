"""Devices that give their batches and changes no ids, and call some fields otherwise."""

from typing import Any

import httpx
import pytest

from tests.conftest import Keys, bearer, shared
from tests.features.sync.test_push_pull import NOTES, pull, push
from tests.features.sync.test_types import put

NOON, LATER = "2025-12-31T12:00:00Z", "2025-12-31T12:00:01Z"


def sent(record: str, data: Any, device: str = "phone", **more: Any) -> dict[str, Any]:
    change = {"record_id": record, "operation": "update", "data": data, **more}
    return {"device_id": device, "changes": [change], "mode": "per_record"}


async def result(client: httpx.AsyncClient, keys: Keys, body: dict[str, Any]) -> tuple[str, int]:
    [found] = (await push(client, keys, body))["results"]
    return found["status"], found["version"]


@shared
async def test_what_has_a_time_is_known_again(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    first = sent("r1", 1, updated_at=NOON)
    assert await result(shared_client, own_keys, first) == ("applied", 1)
    assert await result(shared_client, own_keys, sent("r1", 2, "tablet", updated_at=LATER)) == ("applied", 2)
    assert await result(shared_client, own_keys, first) == ("duplicate", 1), "a retry undoes nothing"
    assert await result(shared_client, own_keys, sent("r1", 1, updated_at=LATER)) == ("applied", 3)
    tags = await shared_client.post("/v1/sync/tags/delta", json=first, headers=bearer(own_keys.write))
    assert tags.json()["counts"]["applied"] == 1


@shared
async def test_on_off_and_on_again_is_three_changes(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for version, state in enumerate(("on", "off", "on"), 1):
        assert await result(shared_client, own_keys, sent("r1", state)) == ("applied", version)
    together = [sent("r2", state, updated_at=NOON)["changes"][0] for state in ("on", "off", "on")]
    for status in ("applied", "duplicate"):
        answer = await push(shared_client, own_keys, {"device_id": "phone", "changes": together})
        assert answer["counts"][status] == 3
    assert [record["data"] for record in (await pull(shared_client, own_keys))["changes"]] == ["on", "on"]


@shared
async def test_a_conflict_is_kept_once(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await put(shared_client, own_keys, conflicts="manual")
    await push(shared_client, own_keys, sent("r1", 1, updated_at=NOON))
    waiting = {
        (await push(shared_client, own_keys, sent("r1", 2, "tablet", updated_at=NOON)))["results"][0]["conflict_id"]
        for _ in range(2)
    }
    assert len(waiting) == 1


@pytest.mark.parametrize(("operation", "status"), [("insert", "applied"), ("update", "conflict")])
@shared
async def test_the_version_of_an_insert_is_the_device_s_own(
    shared_client: httpx.AsyncClient, own_keys: Keys, operation: str, status: str
) -> None:
    body = sent("r1", {"n": 1.0}, operation=operation, version=1, timestamp=NOON)
    assert (await push(shared_client, own_keys, body))["counts"][status] == 1
    if status == "applied":
        [record] = (await pull(shared_client, own_keys))["changes"]
        assert (record["data"], record["updated_at"]) == ({"n": 1.0}, "2025-12-31T12:00:00.000Z")


@shared
async def test_no_field_is_given_twice(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    body = sent("r1", 1, updated_at=NOON, timestamp=LATER)
    refused = await shared_client.post(NOTES, json=body, headers=bearer(own_keys.write))
    assert (refused.status_code, "timestamp" in refused.json()["message"]) == (400, True)
