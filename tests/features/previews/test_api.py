"""Settings tried on recorded history: what they would silence, and what a retention would delete."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from delta_server.app import Application
from delta_server.core.times import DAY_MS
from delta_server.features.deltas import trying
from delta_server.features.snapshots import tasks
from tests.conftest import SHARED, Keys, bearer
from tests.features.rows import Row, check
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys
from tests.storage.opened import FakeClock

pytestmark = SHARED

PATH = "/v1/endpoints/a/preview"
Preview = Callable[..., Awaitable[dict[str, Any]]]

REFUSED = [
    Row("no key", "POST", PATH, 401, key=None, body={"diff": {}}),
    Row("a write key", "POST", PATH, 403, key="ingest", body={"diff": {}}),
    Row("another tenant's", "POST", PATH, 404, key="other", body={"diff": {}}),
    Row("no such endpoint", "POST", "/v1/endpoints/nowhere/preview", 404, body={"diff": {}}),
    Row("neither", "POST", PATH, 400, body={}, field="diff"),
    Row("both", "POST", PATH, 400, body={"diff": {}, "retention": {}}, field="diff"),
    Row("an unknown setting", "POST", PATH, 400, body={"diff": {"ignored": []}}),
    Row("a wrong pattern", "POST", PATH, 400, body={"diff": {"ignore": ["n"]}}, field="diff.ignore[0]"),
    Row("a wrong retention", "POST", PATH, 400, body={"retention": {"keep_days": 0}}, field="retention.keep_days"),
    Row("none of the last", "POST", PATH, 400, body={"diff": {}, "last": 0}, field="last"),
    Row("too many", "POST", PATH, 400, body={"diff": {}, "last": 1001}, field="last"),
]

DOCUMENTS = [
    {"n": 1, "at": 1, "x": 1.00},
    {"n": 1, "at": 2, "x": 1.00},
    {"n": 2, "at": 3, "x": 1.00},
    {"n": 2, "at": 3, "x": 1.01},
    {"n": 2, "at": 4, "x": 1.02},
]
"""Deltas: at; n and at; x; at and x."""


@pytest_asyncio.fixture(loop_scope="module")
async def ids(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> list[str]:
    """Of the snapshots, a day apart."""
    found = []
    for document in DOCUMENTS:
        clock.advance(DAY_MS)
        answer = await client.post(
            "/v1/snapshots?endpoint=a&include=delta", json=document, headers=bearer(keys.project)
        )
        found.append(answer.json()["snapshot"]["id"])
    return found


@pytest.fixture
def preview(client: httpx.AsyncClient, keys: Keys) -> Preview:
    async def post(**body: Any) -> dict[str, Any]:
        answer = await client.post(PATH, json=body, headers=bearer(keys.read))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return post


async def test_refusals(client: httpx.AsyncClient, keys: Keys, ids: list[str]) -> None:
    for row in REFUSED:
        await check(client, keys, row)


async def test_what_rules_would_silence(preview: Preview, ids: list[str]) -> None:
    at = {"path": "/at", "changes": 3, "left": 0}
    assert await preview(diff={"ignore": ["/at"]}) == {
        "silenced": 1, "of": 4, "loud": 0, "changes": 6, "changes_left": 3,
        "fields": [at], "snapshots": [ids[1]], "complete": True,
    }  # fmt: skip
    both = await preview(diff={"ignore": ["/at"], "tolerance": 0.1})
    assert (both["silenced"], both["snapshots"]) == (3, [ids[4], ids[3], ids[1]])
    assert both["fields"] == [at, {"path": "/x", "changes": 2, "left": 0}]
    assert (await preview(diff={"ignore": ["/at"]}, last=2))["of"] == 2
    nothing = await preview(diff={})
    assert (nothing["silenced"], nothing["of"], nothing["changes_left"], nothing["fields"]) == (0, 4, 6, [])


async def test_what_is_silent_now_would_become_loud(
    client: httpx.AsyncClient, keys: Keys, preview: Preview, ids: list[str]
) -> None:
    """Beside what is set already; null takes it out."""
    change = {"diff": {"ignore": ["/at", "/x"]}}
    answer = await client.patch("/v1/endpoints/a", json=change, headers=bearer(keys.project))
    assert answer.status_code == 200
    kinds: list[str] = []
    while sorted(kinds) != ["content", "ignored", "ignored", "ignored"]:
        listed = await client.get("/v1/deltas?kind=all", headers=bearer(keys.read))
        kinds = [delta["kind"] for delta in listed.json()["data"]]
    found = await preview(diff={"ignore": None})
    assert (found["silenced"], found["of"], found["loud"], found["changes_left"]) == (0, 1, 3, 6)
    kept = await preview(diff={"tolerance": 5})
    assert (kept["silenced"], kept["of"], kept["loud"]) == (1, 1, 0)


async def test_when_time_is_over_the_newest_have_been_compared(
    preview: Preview, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "TRY_S", -1.0)
    monkeypatch.setattr(trying, "AT_ONCE", 2)
    found = await preview(diff={"ignore": ["/at", "/x"]})
    assert (found["of"], found["snapshots"], found["complete"]) == (2, [ids[4], ids[3]], False)


async def test_an_endpoint_without_deltas(client: httpx.AsyncClient, keys: Keys, preview: Preview) -> None:
    await client.post("/v1/endpoints", json={"name": "a"}, headers=bearer(keys.project))
    found = await preview(diff={"ignore": ["/at"]})
    assert (found["silenced"], found["of"], found["complete"]) == (0, 0, True)
    assert await preview(retention={"keep_last": 1}) == {"versions": 0, "of": 0, "bytes": 0, "before": None}


@pytest.mark.parametrize(
    ("retention", "versions"),
    [({}, 0), ({"keep_days": 2}, 2), ({"keep_last": 2}, 3), ({"keep_days": 2, "keep_last": 4}, 1),
     ({"keep_days": 100}, 0), ({"keep_last": 9}, 0), (None, 0)],
)  # fmt: skip
async def test_what_a_retention_would_delete(
    client: httpx.AsyncClient,
    keys: Keys,
    preview: Preview,
    ids: list[str],
    app: Application,
    retention: dict[str, int] | None,
    versions: int,
) -> None:
    """As many as go when it is made."""
    found = await preview(retention=retention)
    assert (found["versions"], found["of"]) == (versions, len(ids))
    assert (found["before"] is None) == (versions == 0)
    assert (found["bytes"] > 0) == (versions > 0)
    await client.patch("/v1/endpoints/a", json={"retention": retention}, headers=bearer(keys.project))
    await tasks.apply_retention(app.services)
    left = (await client.get("/v1/snapshots", headers=bearer(keys.read))).json()["data"]
    assert len(left) == len(ids) - versions
