"""A name given twice in `data`: the last counts, in filters, groups, SQL and the event itself."""

from typing import Any

import httpx
import pytest

from delta_server.app import Application
from tests.conftest import Keys, bearer

EVENT = b'{"eventType":"a","timestamp":"2026-05-01T00:00:00Z","data":{"p":1,"p":2},"metadata":{"q":{"r":1,"r":3}}}'
CALL = b'{"type":"track","event":"a","userId":"u","timestamp":"2026-05-01T00:00:00Z","properties":{"p":1,"p":2}}'
RANGE = ["2026-04-30", "2026-05-02"]


@pytest.mark.parametrize(("path", "body"), [("/v1/events/batch", b'{"events":[%s]}' % EVENT), ("/v1/track", CALL)])
@pytest.mark.parametrize("sealed", [False, True])
async def test_the_last_counts(
    app: Application, client: httpx.AsyncClient, keys: Keys, path: str, body: bytes, sealed: bool
) -> None:
    headers = bearer(keys.project) | {"content-type": "application/json"}
    assert (await client.post(path, content=body, headers=headers)).status_code == 200
    if sealed:
        await app.services.event_maintenance.run_maintenance(seal=True)

    async def ask(**given: Any) -> Any:
        return (await client.post("/v1/query", json={"range": RANGE, **given}, headers=headers)).json()["rows"]

    assert await ask(groupBy=["data.p"]) == [{"data.p": "2", "count": 1}]
    assert await ask(filters=[["is", "data.p", 2]], metrics=["sum_data.p"]) == [{"sum_data.p": 2.0}]
    assert await ask(filters=[["is", "data.p", 1]]) == [{"count": 0}]
    raw = (await client.get("/v1/events/raw", headers=headers)).text
    assert '"data":{"p":2}' in raw
    if path == "/v1/events/batch":
        assert await ask(groupBy=["metadata.q.r"]) == [{"metadata.q.r": "3", "count": 1}]
