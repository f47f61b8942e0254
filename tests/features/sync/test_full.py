"""All that a space has at once: numbers, digests, what differs, a download of one moment."""

import json
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.core.sync import digest
from delta_server.features.sync.forgetting import expiring
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.states import comparing, downloading
from tests.conftest import Keys, bearer, shared
from tests.features.rows import Row, check
from tests.storage.opened import FakeClock

STATUS, DIGEST, DOWNLOAD = (f"/v1/sync/{what}" for what in ("status", "digest", "download"))
NOTES = {"data_type": "notes"}

ROWS = [
    *(Row(f"no key: {path}", method, path, 401, key=None, body=body) for method, path, body in [
        ("GET", STATUS, None), ("POST", DIGEST, NOTES), ("GET", DOWNLOAD, None)
    ]),
    Row("no data type", "POST", DIGEST, 400, body={}, field="data_type"),
    Row("no buckets", "POST", DIGEST, 400, body={**NOTES, "buckets": 0}, field="buckets"),
    Row("too many buckets", "POST", DIGEST, 400, body={**NOTES, "buckets": 4097}, field="buckets"),
    Row("no such bucket", "POST", DIGEST, 400, body={**NOTES, "buckets": 2, "bucket": 2, "records": {}}),
    Row("a bucket of nothing", "POST", DIGEST, 400, body={**NOTES, "buckets": 2, "bucket": 1}, field="bucket"),
    Row("no snapshot", "GET", f"{DOWNLOAD}?snapshot=x", 400),
    Row("after what", "GET", f"{DOWNLOAD}?after=7", 400, field="after"),
    Row("an empty space", "GET", STATUS, 200),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
@shared
async def test_rows(shared_client: httpx.AsyncClient, own_keys: Keys, row: Row) -> None:
    await check(shared_client, own_keys, row)


class Device:
    """Pushes; `notes` are the living records that it knows of, with their versions and checksums."""

    def __init__(self, client: httpx.AsyncClient, keys: Keys) -> None:
        self._client, self._keys, self._count = client, keys, 0
        self.notes: dict[str, tuple[int, bytes]] = {}

    async def push(self, data_type: str = "notes", **records: Any) -> None:
        """None deletes one."""
        self._count += 1
        changes = [
            {"change_id": f"{self._count}-{name}", "record_id": name}
            | ({"operation": "delete"} if data is None else {"operation": "update", "data": data})
            for name, data in records.items()
        ]
        body = {"device_id": "phone", "batch_id": f"b{self._count}", "changes": changes}
        answer = await self._client.post(f"/v1/sync/{data_type}/delta", json=body, headers=bearer(self._keys.write))
        assert answer.status_code == 200, answer.text
        for result in answer.json()["results"] if data_type == "notes" else ():
            name, data = result["record_id"], records[result["record_id"]]
            self.notes.pop(name, None)
            if data is not None:
                self.notes[name] = result["version"], digest.checksum_of(json.dumps(data).encode())

    def digest(self) -> str:
        found = 0
        for name, (_, checksum) in self.notes.items():
            found ^= int.from_bytes(digest.of_record(name, checksum))
        return found.to_bytes(16).hex()


@pytest.fixture
async def device(client: httpx.AsyncClient, keys: Keys) -> Device:
    made = Device(client, keys)
    numbers: dict[str, Any] = {f"n{i}": i for i in range(9)}
    await made.push(**numbers)
    await made.push("tags", t1="a")
    await made.push(n1=None, n2=22)
    return made


async def ask(client: httpx.AsyncClient, keys: Keys, **question: Any) -> dict[str, Any]:
    answer = await client.post(DIGEST, json={**NOTES, **question}, headers=bearer(keys.read))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def download(client: httpx.AsyncClient, keys: Keys, query: str = "") -> list[dict[str, Any]]:
    answer = await client.get(DOWNLOAD + query, headers=bearer(keys.read))
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_others_see_nothing_of_it(client: httpx.AsyncClient, keys: Keys, device: Device) -> None:
    other = bearer(keys.other)
    assert (await client.get(STATUS, headers=other)).json()["types"] == []
    found = await client.post(DIGEST, json={**NOTES, "records": {"n0": 1}}, headers=other)
    assert (found.json()["missing"], found.json()["unknown"]) == ({}, ["n0"])


async def test_status(client: httpx.AsyncClient, keys: Keys, device: Device) -> None:
    found = (await client.get(STATUS, headers=bearer(keys.read))).json()
    notes, tags = found["types"]
    assert (found["version"], found["records"]["used"], tags["records"]) == (12, 9, 1)
    assert (notes["records"], notes["tombstones"], notes["bytes"]) == (8, 1, 9)
    assert found["devices"] == {"used": 1, "limit": 100}
    assert notes["digest"] == device.digest()
    rest = await client.get(f"/v1/sync/notes/delta?cursor={notes['cursor']}", headers=bearer(keys.read))
    assert rest.json()["changes"] == []


@pytest.mark.parametrize("rows", [1, 3, 5000])
async def test_differences_are_found_by_buckets(
    client: httpx.AsyncClient, keys: Keys, device: Device, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(comparing, "_ROWS_AT_ONCE", rows)
    assert (await ask(client, keys))["buckets"] == [device.digest()]
    held = {name: version for name, (version, _) in device.notes.items()}
    mine = digest.of_buckets([(name, checksum) for name, (_, checksum) in device.notes.items()], 4, [0] * 4)
    assert (await ask(client, keys, buckets=4))["buckets"] == [each.to_bytes(16).hex() for each in mine]
    await device.push(n3=33, n5=None, new=1)
    theirs = (await ask(client, keys, buckets=4))["buckets"]
    found: dict[str, Any] = {"missing": {}, "different": {}, "unknown": []}
    for number, each in enumerate(mine):
        if each.to_bytes(16).hex() != theirs[number]:
            records = {name: version for name, version in held.items() if digest.bucket(name, 4) == number}
            answer = await ask(client, keys, buckets=4, bucket=number, records=records)
            assert answer.pop("has_more") is False
            found = {
                kind: found[kind] + more if kind == "unknown" else found[kind] | more for kind, more in answer.items()
            }
    assert found == {"missing": {"new": 15}, "different": {"n3": 13}, "unknown": ["n5"]}
    whole = await ask(client, keys, records=held)
    assert whole == {**found, "has_more": False}


@pytest.mark.parametrize(
    ("name", "least"), [("_ROWS_AT_ONCE", 2), ("_MOST_BYTES", 3), ("_VERSIONS_AT_ONCE", 1), ("_VERSIONS_AT_ONCE", 5)]
)
async def test_a_download_is_of_one_moment(
    app: Application,
    client: httpx.AsyncClient,
    keys: Keys,
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    least: int,
) -> None:
    monkeypatch.setattr(downloading, name, least)
    before, wanted = device.digest(), await download(client, keys)
    begun = await downloading.begin(app.services, Whose(1, ""), None, 0)
    await device.push(n3=33, n5=None, new=1)
    await device.push("tags", t1=None)
    text = b"".join([piece async for piece in downloading.lines(app.services, begun)])
    found = [json.loads(line) for line in text.splitlines()]
    assert found == wanted
    first, *records, last = found
    assert [record["version"] for record in records] == sorted(record["version"] for record in records)
    assert {record["record_id"]: record["data"] for record in records if record["data_type"] == "notes"} == {
        **{f"n{i}": i for i in (0, 3, 4, 5, 6, 7, 8)},
        "n2": 22,
    }
    assert (first["until"], last["counts"], last["digest"]["notes"]) == (12, {"notes": 8, "tags": 1}, before)
    rest = await client.get(f"/v1/sync/notes/delta?cursor={last['cursor']['notes']}", headers=bearer(keys.read))
    assert [record["record_id"] for record in rest.json()["changes"]] == ["n3", "n5", "new"]


@pytest.mark.parametrize("came", [1, 4, 9])
async def test_a_broken_download_goes_on(
    client: httpx.AsyncClient, keys: Keys, device: Device, monkeypatch: pytest.MonkeyPatch, came: int
) -> None:
    monkeypatch.setattr(downloading, "_VERSIONS_AT_ONCE", 3)
    first, *records, last = await download(client, keys)
    await device.push(n3=33, n5=None, new=1)
    query = f"?snapshot={first['snapshot']}&after={records[came - 1]['version']}"
    again, *more, end = await download(client, keys, query)
    assert (again, records[:came] + more) == (first, records)
    assert {name: end[name] for name in ("counts", "digest")} == {name: last[name] for name in ("counts", "digest")}


async def test_a_snapshot_is_there_as_long_as_history(
    app: Application, client: httpx.AsyncClient, keys: Keys, device: Device, clock: FakeClock
) -> None:
    first = (await download(client, keys))[0]
    clock.advance(29 * times.DAY_MS)
    await device.push(n3=33)
    clock.advance(2 * times.DAY_MS)
    await expiring.expire(app.services)
    assert len(await download(client, keys, f"?snapshot={first['snapshot']}")) == 11
    clock.advance(29 * times.DAY_MS)
    await expiring.expire(app.services)
    answer = await client.get(f"{DOWNLOAD}?snapshot={first['snapshot']}", headers=bearer(keys.read))
    assert (answer.status_code, answer.json()["code"]) == (410, "RESYNC_REQUIRED")
    elsewhere = {**bearer(keys.read), "x-sync-user": "ann"}
    assert (await client.get(f"{DOWNLOAD}?snapshot={first['snapshot']}", headers=elsewhere)).status_code == 410
