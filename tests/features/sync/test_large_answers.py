"""What changes meet is shown as far as one answer can hold it, however many large records that are."""

from typing import Any

import httpx
import pytest

from delta_server.features.sync import service, shown_records
from delta_server.features.sync.service import Whose
from delta_server.services import Services
from tests.conftest import Keys, bearer, shared
from tests.features.sync.test_push_pull import batch, change, pull, push

PUSH = "/v1/sync/notes/rxdb/push"
OTHER = "/v1/sync/tags/delta"


def stale(number: int, record: str) -> dict[str, Any]:
    """A patch of a version that is not there: a conflict, whatever the policy."""
    return change(number, record, operation="update", base_version=99, patch=[])


@shared
async def test_some_of_what_was_met_comes_with_its_size_alone(
    shared_client: httpx.AsyncClient, own_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown_records, "MOST_BYTES", 25)
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", "x" * 18), change(2, "r2", "y" * 28)))
    some = batch("tablet", 1, stale(1, "r1"), stale(2, "r1"), stale(3, "r2"), mode="per_record")
    first, second, third = (await push(shared_client, own_keys, some))["results"]
    assert first["server"]["data"] == "x" * 18
    assert (second["server"]["kind"], second["server"]["bytes"], "data" in second["server"]) == ("json", 20, False)
    assert (third["server"]["version"], third["server"]["bytes"]) == (2, 30)
    assert (await push(shared_client, own_keys, some))["results"] == [first, second, third]
    one = await push(shared_client, own_keys, batch("tablet", 2, stale(4, "r2"), mode="per_record"))
    assert one["results"][0]["server"]["data"] == "y" * 28, "the first is shown, however large"
    made = batch("tablet", 3, change(5, "r3", "z" * 28), stale(6, "r3"), stale(7, "r3"), mode="per_record")
    *_, whole, sized = (await push(shared_client, own_keys, made))["results"]
    assert (whole["server"]["data"], sized["server"]["bytes"]) == ("z" * 28, 30)


@shared
async def test_an_atomic_refusal_has_the_codes(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", 1)))
    refused = await push(shared_client, own_keys, batch("phone", 2, change(2, "r2", 2), change(1, "r9", 9)), 400)
    [result] = refused["results"]
    assert (result["change_id"], result["code"]) == ("c1", "CHANGE_ID_REUSED")


@shared
async def test_a_cursor_from_before_a_type_was_there_is_of_no_other(
    shared_client: httpx.AsyncClient, own_keys: Keys
) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", 1)))
    headers = bearer(own_keys.read)
    cursor = (await shared_client.get(OTHER, headers=headers)).json()["next_cursor"]
    answer = await shared_client.get(f"/v1/sync/notes/delta?cursor={cursor}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (410, "RESYNC_REQUIRED")
    made = await shared_client.post(OTHER, json=batch("phone", 2, change(2, "t1", 1)), headers=bearer(own_keys.write))
    assert made.status_code == 200, made.text
    page = (await shared_client.get(f"{OTHER}?cursor={cursor}", headers=headers)).json()
    assert [record["record_id"] for record in page["changes"]] == ["t1"]


@shared
async def test_other_clients_push_as_much_as_can_be_compared(
    shared_client: httpx.AsyncClient, own_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_BYTES", 50)
    await push(shared_client, own_keys, batch("phone", 1, *(change(n, f"r{n}", {"n": "x" * 22}) for n in (1, 2))))
    rows = [{"newDocumentState": {"id": f"r{n}", "n": 1}, "assumedMasterState": {"id": f"r{n}"}} for n in (1, 2)]
    headers = bearer(own_keys.write)
    answer = await shared_client.post(PUSH, json=rows, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert (await shared_client.post(PUSH, json=rows[:1], headers=headers)).status_code == 200
    timestamp = (await shared_client.get("/v1/sync/watermelon/pull", headers=headers)).json()["timestamp"]
    table: dict[str, Any] = {"created": [], "updated": [], "deleted": ["r1", "r2"]}
    sent = {"changes": {"notes": table}, "lastPulledAt": timestamp}
    answer = await shared_client.post("/v1/sync/watermelon/push", json=sent, headers=headers)
    assert answer.status_code == 200, "deletions are compared by versions alone"
    assert [record["operation"] for record in (await pull(shared_client, own_keys))["changes"]] == ["delete"] * 2


@shared
async def test_what_changes_while_a_row_is_judged_is_shown_as_it_is(
    shared_client: httpx.AsyncClient, own_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await push(shared_client, own_keys, batch("phone", 1, change(1, "r1", {"n": 1})))
    apply = service.apply

    async def late(svc: Services, whose: Whose, translated: Any) -> Any:
        await push(shared_client, own_keys, batch("phone", 2, change(2, "r1", {"n": 2}), change(3, "r2", 3)))
        return await apply(svc, whose, translated)

    monkeypatch.setattr(service, "apply", late)
    rows = [
        {"newDocumentState": {"id": "r1", "n": 9}, "assumedMasterState": {"id": "r1", "n": 1}},
        {"newDocumentState": {"id": "r2", "n": 9}},
    ]
    answer = await shared_client.post(PUSH, json=rows, headers=bearer(own_keys.write))
    assert answer.json() == [
        {"id": "r1", "n": 2, "_deleted": False},
        {"value": 3, "id": "r2", "_deleted": False},
    ], answer.text
