"""Rows and hits of stored documents over HTTP."""

from typing import Any

import httpx
import pytest

from delta_server import services
from tests.conftest import Keys, bearer
from tests.features.rows import Row, check

NOWHERE = "01890a5d-ac96-774b-bcce-b302099a8057"


def document(version: int, extra: str = "") -> dict[str, Any]:
    items = [{"id": n, "name": f"Station number {n}", "v": n + (version if n == 7 else 0)} for n in range(50)]
    return {"at": version, "items": items, "extra": extra}


@pytest.fixture
async def ids(client: httpx.AsyncClient, keys: Keys) -> list[str]:
    found = []
    for version in (1, 2, 2):
        url = "/v1/snapshots?endpoint=a&include=delta"
        answer = await client.post(url, json=document(version), headers=bearer(keys.project))
        found.append(answer.json()["snapshot"]["id"])
    return found


async def get(client: httpx.AsyncClient, keys: Keys, path: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/snapshots/{path}", headers=bearer(keys.read))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_refusals(client: httpx.AsyncClient, keys: Keys, ids: list[str]) -> None:
    tree, find, records = (f"/v1/snapshots/{ids[0]}/{name}" for name in ("tree", "find", "records"))
    for row in [
        *(Row("no key", "GET", url, 401, key=None) for url in (tree, f"{find}?q=a", records)),
        *(Row("a write key", "GET", url, 403, key="ingest") for url in (tree, f"{find}?q=a", records)),
        *(Row("another tenant's", "GET", url, 404, key="other") for url in (tree, f"{find}?q=a", records)),
        Row("no such snapshot", "GET", f"/v1/snapshots/{NOWHERE}/tree", 404),
        Row("no such snapshot", "GET", f"/v1/snapshots/{NOWHERE}/find?q=a", 404),
        Row("no such snapshot", "GET", f"/v1/snapshots/{NOWHERE}/records", 404),
        *(Row("nothing there", "GET", f"{records}?path={path}", 404) for path in ("/nothing", "/items/[id=77]/x")),
        Row("not a path", "GET", f"{records}?path=items", 400, field="path"),
        Row("a pattern", "GET", f"{records}?path=/items/*", 400, field="path"),
        Row("a long text", "GET", f"{records}?q={'a' * 201}", 400, field="q"),
        Row("nothing there", "GET", f"{tree}?path=/nothing", 404, says="/nothing"),
        Row("not a path", "GET", f"{tree}?path=items", 400, field="path"),
        Row("a pattern", "GET", f"{tree}?path=/items/*/v", 400, field="path"),
        Row("no text", "GET", find, 400, field="q"),
        Row("an empty text", "GET", f"{find}?q=", 400, field="q"),
        Row("a long text", "GET", f"{find}?q={'a' * 201}", 400, field="q"),
        *(
            Row("a start", "GET", f"{url}start=-1", 400, field="start")
            for url in (f"{tree}?", f"{find}?q=a&", f"{records}?")
        ),
        *(
            Row("no rows", "GET", f"{url}count=0", 400, field="count")
            for url in (f"{tree}?", f"{find}?q=a&", f"{records}?")
        ),
        *(
            Row("too many", "GET", f"{url}count=1001", 400, field="count")
            for url in (f"{tree}?", f"{find}?q=a&", f"{records}?")
        ),
    ]:
        await check(client, keys, row)


@pytest.mark.parametrize("apart", [False, True])
async def test_a_level_with_what_changed(
    client: httpx.AsyncClient, keys: Keys, ids: list[str], apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same by another process, as for a large document."""
    monkeypatch.setattr(services, "APART_BYTES", 1 if apart else 1 << 40)
    found = await get(client, keys, f"{ids[1]}/tree?path=/items&start=7&count=2")
    assert (found["path"], found["kind"], found["of"], found["compared"]) == ("/items", "array", 50, "key")
    assert found["rows"][0] == {
        "key": 7, "record": "[id=7]", "label": "Station number 7", "kind": "object", "members": 3, "text": None,
        "cut": False, "size_bytes": found["rows"][0]["size_bytes"], "marks": {"op": "inside"},
    }  # fmt: skip
    assert found["rows"][1]["marks"] == {}
    inner = await get(client, keys, f"{ids[1]}/tree?path=/items/7")
    assert (inner["path"], inner["rows"][2]["marks"]) == ("/items/[id=7]", {"op": "replace", "old": "8"})
    searched = await get(client, keys, f"{ids[1]}/find?q=NUMBER+4&count=2")
    assert (searched["of"], searched["complete"], len(searched["rows"])) == (11, True, 2)
    assert searched["rows"][0]["path"] == "/items/[id=4]/name"


async def test_nothing_is_marked_in_the_first_version_nor_in_one_that_repeats_another(
    client: httpx.AsyncClient, keys: Keys, ids: list[str]
) -> None:
    for id, compared in ((ids[0], None), (ids[2], "name")):
        found = await get(client, keys, f"{id}/tree")
        assert (found["compared"], [row["marks"] for row in found["rows"]]) == (compared, [{}, {}, {}])


@pytest.mark.parametrize("apart", [False, True])
async def test_records_by_key_or_label(
    client: httpx.AsyncClient, keys: Keys, ids: list[str], apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "APART_BYTES", 1 if apart else 1 << 40)
    found = await get(client, keys, f"{ids[1]}/records?q=NUMBER+4&start=1&count=2")
    assert (found["of"], found["complete"]) == (11, True)
    assert found["rows"][0] == {"path": "/items/[id=40]", "label": "Station number 40", "key": ["40"]}
    every = await get(client, keys, f"{ids[1]}/records?path=/items&count=3")
    assert (every["of"], [row["key"] for row in every["rows"]]) == (50, [["0"], ["1"], ["2"]])
