"""An update of one field sends a JSON Patch instead of the record."""

from typing import Any

import httpx
import pytest

from delta_server.core.sync.digest import checksum_of
from tests.conftest import Keys, bearer, shared
from tests.features.sync.test_push_pull import batch, change, pull, push, statuses


def patch(number: int, record: str, base: int, *operations: dict[str, Any], **more: Any) -> dict[str, Any]:
    what = {"operation": "update", "patch": list(operations), "base_version": base}
    return {"change_id": f"c{number}", "record_id": record, **what, **more}


DONE = {"op": "replace", "path": "/done", "value": True}


@shared
async def test_a_patch_makes_the_whole_record(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", {"done": False, "text": "x" * 5000})))
    sent = batch("phone", 2, patch(2, "r1", 1, DONE))
    assert (await push(shared_client, own_keys, sent))["results"][0]["version"] == 2
    [record] = (await pull(shared_client, own_keys))["changes"]
    assert record["data"] == {"done": True, "text": "x" * 5000}
    assert record["checksum"] == checksum_of(b'{"done":true,"text":"%b"}' % (b"x" * 5000)).hex()
    assert (await push(shared_client, own_keys, sent))["results"][0]["version"] == 2, "its answer may get lost"
    same = await push(shared_client, own_keys, batch("tablet", 1, patch(1, "r1", 1, DONE)))
    assert same["results"][0]["status"] == "duplicate", "both did the same"


@shared
async def test_what_cannot_be_patched(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(
        shared_client,
        own_keys,
        batch("phone", 1, change(1, "r1", {"done": False}), change(2, "r2", 1), change(3, "r2")),
    )
    await push(shared_client, own_keys, batch("phone", 2, change(4, "r3", operation="insert", encrypted="aGk=")))
    sent = [
        patch(10, "r1", 99, DONE),
        patch(11, "r1", 2, DONE),
        patch(12, "r2", 3, DONE),
        patch(13, "r3", 4, DONE),
        patch(14, "new", 1, DONE),
        patch(15, "r1", 1, {"op": "test", "path": "/done", "value": 7}),
        patch(16, "r1", 1, {"op": "add", "path": "/text", "value": "x" * (1 << 20)}),
        patch(17, "r1", 1, DONE),
    ]
    refused = await push(shared_client, own_keys, batch("tablet", 1, *sent[:5]), 409)
    assert [result["status"] for result in refused["results"]] == ["conflict"] * 5
    assert refused["results"][0]["server"]["data"] == {"done": False}
    some = await push(shared_client, own_keys, batch("tablet", 2, *sent, mode="per_record"))
    assert [each["status"] for each in some["results"]] == ["conflict"] * 5 + ["rejected"] * 2 + ["applied"]
    assert "operation 0 (test) fails" in some["results"][5]["message"]
    assert "sync.record_bytes" in some["results"][6]["message"]


@pytest.mark.parametrize("policy", ["last_write", "reject", "manual"])
@shared
async def test_patches_of_one_record_add_up(shared_client: httpx.AsyncClient, own_keys: Keys, policy: str) -> None:
    await shared_client.put("/v1/sync/types/notes", json={"conflicts": policy}, headers=bearer(own_keys.project))
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", {"done": False}), change(2, "r2", {"n": 1})))
    title = {"op": "add", "path": "/title", "value": "x"}
    sent = [
        patch(10, "r1", 1, DONE),
        change(11, "r2", {"n": 2}, base_version=2),
        patch(12, "r1", 1, title, {"op": "test", "path": "/done", "value": True}),
        patch(13, "r2", 2, title),
    ]
    pushed = await push(shared_client, own_keys, batch("phone", 2, *sent))
    assert statuses(pushed) == [("applied", version) for version in (3, 4, 5, 6)]
    assert all("overwrote" not in result for result in pushed["results"]), "it knew of all of them"
    found = {record["record_id"]: record["data"] for record in (await pull(shared_client, own_keys))["changes"]}
    assert found == {"r1": {"done": True, "title": "x"}, "r2": {"n": 2, "title": "x"}}


@shared
async def test_patches_of_another_s_record_do_not_pass_as_known(
    shared_client: httpx.AsyncClient, own_keys: Keys
) -> None:
    await shared_client.put("/v1/sync/types/notes", json={"conflicts": "reject"}, headers=bearer(own_keys.project))
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", {"done": False})))
    await push(shared_client, own_keys, batch("tablet", 1, change(1, "r1", {"done": 0}, base_version=1)))
    both = patch(2, "r1", 1, DONE), patch(3, "r1", 1, {"op": "add", "path": "/title", "value": "x"})
    refused = await push(shared_client, own_keys, batch("phone", 2, *both), 409)
    assert [result["status"] for result in refused["results"]] == ["conflict"] * 2


@shared
async def test_a_patched_record_fits_its_schema(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    schema = {"properties": {"done": {"type": "boolean"}}}
    await shared_client.put("/v1/sync/types/notes", json={"schema": schema}, headers=bearer(own_keys.project))
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", {"done": False})))
    refused = await push(shared_client, own_keys, batch("phone", 2, patch(2, "r1", 1, {**DONE, "value": 1})), 400)
    assert "at /done" in refused["errors"][0]["message"]


@shared
async def test_a_refused_patch_takes_no_effect(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    schema = {"properties": {"n": {"maximum": 10}}}
    await shared_client.put("/v1/sync/types/notes", json={"schema": schema}, headers=bearer(own_keys.project))
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", {"n": 1}), change(2, "r2", {"n": 1})))
    n, text = {"op": "replace", "path": "/n", "value": 50}, {"op": "add", "path": "/text", "value": "refused"}
    sent = [
        patch(10, "r1", 1, n, text),
        change(11, "r2", {"n": 51, "text": "refused"}, base_version=2),
        patch(12, "r1", 1, {**n, "value": 5}),
        patch(13, "r2", 2, {**n, "value": 6}),
        patch(14, "r1", 1, {**n, "value": 7}),
    ]
    pushed = await push(shared_client, own_keys, batch("phone", 2, *sent, mode="per_record"))
    assert [result["status"] for result in pushed["results"]] == ["rejected"] * 2 + ["applied"] * 3
    assert pushed["results"][0]["code"] == "SCHEMA_MISMATCH"
    found = {record["record_id"]: record["data"] for record in (await pull(shared_client, own_keys))["changes"]}
    assert found == {"r1": {"n": 7}, "r2": {"n": 6}}


@shared
async def test_patches_go_on_from_one_that_came_before(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    """Its answer got lost, and its device pushes it again together with the next one."""
    await shared_client.put("/v1/sync/types/notes", json={"conflicts": "reject"}, headers=bearer(own_keys.project))
    await push(
        shared_client, own_keys, batch("phone", 1, change(1, "r1", {"done": False}), change(2, "r2", {"done": False}))
    )
    title, more = ({"op": "add", "path": f"/{name}", "value": 1} for name in ("title", "more"))
    await push(
        shared_client,
        own_keys,
        batch("phone", 2, patch(3, "r1", 1, DONE), patch(4, "r2", 2, DONE), patch(5, "r2", 2, title)),
    )
    again = await push(shared_client, own_keys, batch("phone", 3, patch(3, "r1", 1, DONE), patch(6, "r1", 1, title)))
    assert statuses(again) == [("duplicate", 3), ("applied", 6)]
    cut = batch("phone", 4, patch(5, "r2", 2, title), patch(7, "r2", 2, more), mode="per_record")
    assert statuses(await push(shared_client, own_keys, cut)) == [("duplicate", 5), ("conflict", 5)], (
        "it lacks one before both"
    )
    found = {record["record_id"]: record["data"] for record in (await pull(shared_client, own_keys))["changes"]}
    assert found == {"r1": {"done": True, "title": 1}, "r2": {"done": True, "title": 1}}


@shared
async def test_a_patch_of_what_was_refused_under_a_known_id(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", {"n": 1}), change(2, "r2", {"n": 1})))
    sent = batch("phone", 2, patch(1, "r2", 2, DONE | {"op": "add"}), patch(3, "r2", 2, {"op": "remove", "path": "/n"}))
    pushed = await push(shared_client, own_keys, {**sent, "mode": "per_record"})
    assert [result["status"] for result in pushed["results"]] == ["rejected", "conflict"]
    assert (await pull(shared_client, own_keys))["changes"][1]["data"] == {"n": 1}
