"""What a space may have: what would be more is refused as a whole, and what there is can still be changed."""

from pathlib import Path

import httpx
import pytest

from delta_server.config.sections import Config, Log, Sync
from delta_server.core.sync import changes
from delta_server.storage.sqlite.options import Storage
from tests.conftest import Keys, bearer
from tests.features.sync.test_push_pull import batch, change, pull, push


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        storage=Storage(data_dir=tmp_path / "data"),
        log=Log(level="error"),
        sync=Sync(records=2, space_bytes=10, devices=1, types=1),
    )


async def test_what_is_too_much(client: httpx.AsyncClient, keys: Keys) -> None:
    await push(client, keys, batch("phone", 1, change(1, "r1", 1), change(2, "r2", 2)))
    for name, sent in (
        ("sync.records", batch("phone", 2, change(3, "r3", 3))),
        ("sync.space_bytes", batch("phone", 2, change(3, "r1", "x" * 8))),
        ("sync.devices", batch("tablet", 2, change(3, "r1", 3))),
    ):
        refused = await push(client, keys, sent, 402)
        assert (refused["code"], refused["quota"]["name"]) == ("QUOTA_EXCEEDED", name)
    body = batch("phone", 2, change(3, "r1"))
    refused = (await client.post("/v1/sync/tags/delta", json=body, headers=bearer(keys.write))).json()
    assert (refused["quota"]["name"], refused["quota"]["limit"]) == ("sync.types", 1)
    assert [record["version"] for record in (await pull(client, keys))["changes"]] == [1, 2]
    await push(client, keys, batch("phone", 2, change(3, "r1", 4), change(4, "r2")))


async def test_devices_are_told_what_they_may(client: httpx.AsyncClient, keys: Keys) -> None:
    found = (await client.get("/v1/sync/config", headers=bearer(keys.read))).json()
    of_space = {name: found[name] for name in ("records", "bytes", "devices", "types")}
    assert of_space == {"records": 2, "bytes": 10, "devices": 1, "types": 1}
    assert (found["pushes_per_minute"], found["pulls_per_minute"], found["max_changes"]) == (20, 30, 1000)
    assert found["max_batch_bytes"] == 8 << 20
    assert (found["tombstone_days"], found["history_days"]) == (90, 30)
    too_many = batch("phone", 1, *[change(number, "r", number) for number in range(found["max_changes"] + 1)])
    assert (await push(client, keys, too_many, 400))["errors"][0]["field"] == "changes"
    assert (await pull(client, keys, f"limit={found['max_page']}"))["changes"] == []
    refused = await client.get(f"/v1/sync/notes/delta?limit={found['max_page'] + 1}", headers=bearer(keys.read))
    assert refused.status_code == 400


async def test_a_batch_is_no_larger_than_the_writer_takes_at_once(
    client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MAX_BYTES", 4)
    sent = batch("phone", 1, change(1, "r1", "a"), change(2, "r2", "b"))
    assert (await push(client, keys, sent, 413))["code"] == "PAYLOAD_TOO_LARGE"
    assert (await pull(client, keys))["changes"] == []
    await push(client, keys, batch("phone", 2, change(1, "r1", "abcd")))
    patch = [{"op": "replace", "path": "", "value": "z"}]
    grown = [change(n, "r1", operation="update", base_version=1, patch=patch) for n in (2, 3)]
    assert (await push(client, keys, batch("phone", 3, *grown), 413))["code"] == "PAYLOAD_TOO_LARGE"
    rows = [{"newDocumentState": {"id": name}} for name in ("r2", "r3")]
    answer = await client.post("/v1/sync/notes/rxdb/push", json=rows, headers=bearer(keys.write))
    assert answer.status_code == 413, answer.text
