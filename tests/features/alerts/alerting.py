"""What tests of alerts share: versions that come in, and rules that judge them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from delta_server.app import Application
from delta_server.core import times
from delta_server.features.alerts import sending
from delta_server.features.alerts.judging import Waiting
from delta_server.features.alerts.watching import CONSUMER
from delta_server.features.deltas import service as deltas
from delta_server.storage import outbox
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer
from tests.storage.opened import START_MS, FakeClock

RULES, TRY = "/v1/alerts/rules", "/v1/alerts/try"
OVER: dict[str, Any] = {"endpoint": "quakes", "kind": "threshold", "path": "/count", "op": "gt", "value": 137}


def at(minutes: int) -> str:
    return times.format(START_MS + minutes * 60_000)


class Alerting:
    """A project's endpoint `quakes`, a version each minute, by the clock."""

    def __init__(self, app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
        self.app, self.client, self.keys, self.clock = app, client, keys, clock
        clock.time_ms = START_MS
        self.minute = 0

    async def store(self, documents: Sequence[Any]) -> list[str]:
        """The ids of the snapshots."""
        found = []
        for document in documents:
            self.minute += 1
            self.clock.time_ms = START_MS + self.minute * 60_000
            path = "/v1/snapshots?endpoint=quakes&include=delta"
            answer = await self.client.post(path, json=document, headers=bearer(self.keys.project))
            assert answer.status_code == 201, answer.text
            found.append(answer.json()["snapshot"]["id"])
        return found

    async def count(self, *counts: Any) -> list[str]:
        return await self.store([{"count": count} for count in counts])

    async def make(self, *, key: str = "", **rule: Any) -> str:
        """The id of a rule as OVER but for what is given; None takes a field away."""
        body = {name: value for name, value in {"name": "many", **OVER, **rule}.items() if value is not None}
        answer = await self.client.post(RULES, json=body, headers=bearer(key or self.keys.project))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["rule"]["id"])

    async def change(self, rule: str, **changed: Any) -> dict[str, Any]:
        answer = await self.client.patch(f"{RULES}/{rule}", json=changed, headers=bearer(self.keys.write))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["rule"]
        return found

    async def tried(self, rule: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = await self.client.post(TRY, json={"rule": rule, **more}, headers=bearer(self.keys.read))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def get(self, path: str) -> Any:
        answer = await self.client.get(path, headers=bearer(self.keys.read))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def alerts(self, **query: str) -> list[dict[str, Any]]:
        """The oldest first, when all that came in is judged."""
        await self.settle()
        answer = await self.client.get("/v1/alerts", params=query, headers=bearer(self.keys.read))
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found[::-1]

    async def settle(self) -> None:
        svc = self.app.services
        while svc.db.peek(_is_behind) or not svc.state(Waiting).is_empty:
            await asyncio.sleep(0.001)

    async def said(self) -> list[tuple[str, Any]]:
        """What the outbox has of alerts, with what was due."""
        await self.settle()
        await sending.send_due(self.app.services)
        return self.app.services.db.peek(_said)


def _is_behind(tx: Tx) -> bool:
    position = outbox.position(tx, CONSUMER)
    return position is not None and (position < outbox.newest(tx) or deltas.queue_length(tx) > 0)


def _said(tx: Tx) -> list[tuple[str, Any]]:
    happened = outbox.read(tx, 0, 10_000)
    return [(each.kind, msgspec.json.decode(each.body)) for each in happened if each.kind.startswith("alert.")]
