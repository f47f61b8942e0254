"""`records` and `field_values` in SQL: intervals of a project's own documents, joined with events as of their time."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core.option_types import MIB
from delta_server.storage.events.sql import histories
from delta_server.storage.events.sql.worker import SqlRequest, Worker, WorkerSetup
from delta_server.storage.sqlite.adapter import DATABASE_NAME
from tests.conftest import Keys, bearer
from tests.features.sql.test_documents import rows

VERSIONS: list[tuple[str, Any]] = [
    ("2025-12-01", {"rate": 1.5, "open": True, "items": [{"sku": "A7", "price": 10}, {"sku": "B8", "price": 5}]}),
    ("2025-12-03", {"rate": 1.5, "open": False, "items": [{"sku": "A7", "price": 12}, {"sku": "B8", "price": 5}]}),
    ("2025-12-05", {"rate": 2, "open": False, "items": [{"sku": "B8", "price": 5}]}),
]
BOUGHT = [
    ("ann", "2025-11-30T00:00:00Z", "A7"),
    ("ann", "2025-12-01T00:00:00Z", "A7"),
    ("bo", "2025-12-02T23:59:59.999Z", "A7"),
    ("bo", "2025-12-03T00:00:00Z", "A7"),
    ("cy", "2025-12-06T00:00:00Z", "A7"),
    ("cy", "2025-12-06T00:00:00Z", "B8"),
]


@pytest.fixture
async def filled(client: httpx.AsyncClient, keys: Keys) -> None:
    for at, document in VERSIONS:
        path = f"/v1/snapshots?endpoint=shop&include=delta&captured_at={at}"
        answer = await client.post(path, json=document, headers=bearer(keys.project))
        assert answer.status_code == 201, answer.text
    await client.post("/v1/snapshots?endpoint=shop", json={"of": "another"}, headers=bearer(keys.other))
    events = [
        {"eventType": "purchase", "userId": user, "timestamp": at, "data": {"sku": sku}} for user, at, sku in BOUGHT
    ]
    answer = await client.post("/v1/events/batch", json=events, headers=bearer(keys.project))
    assert answer.json()["accepted"] == len(BOUGHT)


async def test_intervals(filled: None, client: httpx.AsyncClient, keys: Keys) -> None:
    text = "SELECT key, valid_from::DATE::VARCHAR, valid_to::DATE::VARCHAR, record->'price' FROM records"
    assert await rows(client, keys.read, f"{text} WHERE endpoint = 'shop' AND path = '/items' ORDER BY ALL") == [
        ["A7", "2025-12-01", "2025-12-03", 10],
        ["A7", "2025-12-03", "2025-12-05", 12],
        ["B8", "2025-12-01", None, 5],
    ]
    text = (
        "SELECT path, valid_from::DATE::VARCHAR, valid_to::DATE::VARCHAR, value, number FROM field_values ORDER BY ALL"
    )
    assert await rows(client, keys.read, text) == [
        ["/open", "2025-12-01", "2025-12-03", True, None],
        ["/open", "2025-12-03", None, False, None],
        ["/rate", "2025-12-01", "2025-12-05", 1.5, 1.5],
        ["/rate", "2025-12-05", None, 2, 2.0],
    ]
    joined = "SELECT count(*) FROM records r JOIN snapshots s ON s.id = r.snapshot AND s.captured_at = r.valid_from"
    assert await rows(client, keys.read, joined) == [[3]]
    assert await rows(client, keys.other, "SELECT value FROM field_values") == [["another"]]
    assert await rows(client, keys.other, "SELECT * FROM records") == []


async def test_the_example_of_the_documents(filled: None, client: httpx.AsyncClient, keys: Keys) -> None:
    told = (Path(__file__).parents[3] / "docs" / "events.md").read_text(encoding="utf-8")
    [text] = [found for found in re.findall(r"```sql\n(.*?)```", told, re.DOTALL) if "ASOF" in found]
    found = await rows(client, keys.read, f"{text} ORDER BY ALL")
    assert [(user, price) for user, _, price in found] == [("ann", 10), ("bo", 10), ("bo", 12), ("cy", 5)]


async def test_bounds(
    filled: None, app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = app.services.config.storage.data_dir / DATABASE_NAME
    worker = Worker(WorkerSetup(str(database), 256 * MIB, 1, 30.0))
    asked = SqlRequest(1, "SELECT count(*) FROM records", (), 10)
    assert worker.answer(asked).rows == b'[{"count_star()":3}]'
    monkeypatch.setattr(histories, "MOST_BYTES", 100)
    refused = worker.answer(asked).refused
    assert refused is not None
    assert "GET /v1/export/history" in refused
    monkeypatch.setattr(histories, "MAX_ROWS", 2)
    assert "more than 2 versions" in (worker.answer(asked).refused or "")
    with pytest.raises(FileNotFoundError):
        histories.HistoryFiles().info("records://another/endpoint=shop/path=/0")
