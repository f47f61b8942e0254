"""What the calls of test_requested_api.py and test_requested_events.py are about: two projects, a little in each."""

from typing import Any

import httpx
import msgspec

from tests.conftest import Keys, bearer

PREFIXES = ["/v1", "/api/v1", "/api"]
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
ENDPOINT = {"name": "users"}
EVENT = {
    "timestamp": "2026-01-01T00:00:00.000Z",
    "eventType": "page_view",
    "source": "web",
    "data": {"path": "/pricing"},
    "userId": "u-1",
    "sessionId": "s-1",
    "duration": 120.5,
    "priority": "high",
    "status": "ok",
    "tags": ["docs", "beta"],
    "metadata": {"region": "eu"},
}
OTHER_EVENT = {
    **EVENT,
    "timestamp": "2025-12-31T22:30:00.000Z",
    "eventType": "error",
    "source": "api",
    "userId": "u-2",
    "sessionId": "s-2",
    "duration": 20,
    "priority": 10,
    "status": "failed",
    "tags": [],
}
RANGE = "startTime=2025-12-31T00:00:00Z&endTime=2026-01-02T00:00:00Z"


class Made(msgspec.Struct, frozen=True):
    """What is there to call about. `other` things are another project's."""

    client: httpx.AsyncClient
    keys: Keys
    mine: str
    other: str
    endpoint: str
    second: str
    other_endpoint: str
    first_snapshot: str
    last_snapshot: str
    key: str

    def written(self, text: str) -> str:
        """`<mine>` and so on as what they stand for."""
        for name in ("mine", "other", "endpoint", "second", "other_endpoint", "first_snapshot", "last_snapshot", "key"):
            text = text.replace(f"<{name}>", getattr(self, name))
        return text

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): self.written(value) for name, value in headers.items()}
        content = None if body is None else self.written(msgspec.json.encode(body).decode())
        if content is not None:
            sent.setdefault("content-type", "application/json")
        return await self.client.request(method, self.written(path), headers=sent, content=content)


async def make(client: httpx.AsyncClient, keys: Keys) -> Made:
    async def send(path: str, body: Any, key: str = keys.project) -> Any:
        answer = await client.post(path, json=body, headers=bearer(key))
        assert answer.is_success, answer.text
        return answer.json()

    projects = (await client.get("/v1/projects", headers=bearer(keys.account))).json()["data"]
    ids = {project["name"]: project["id"] for project in projects}
    endpoint = (await send("/v1/endpoints", ENDPOINT))["endpoint"]["id"]
    snapshots = [
        (await send("/v1/snapshots?include=delta", {"endpoint_id": endpoint, "data": {"n": n, "same": True}}))[
            "snapshot"
        ]
        for n in (1, 2)
    ]
    await send("/v1/events/batch", {"events": [EVENT, OTHER_EVENT]})
    return Made(
        client,
        keys,
        mine=ids["mine"],
        other=ids["other"],
        endpoint=endpoint,
        second=(await send("/v1/endpoints", {"name": "second"}))["endpoint"]["id"],
        other_endpoint=(await send("/v1/endpoints", ENDPOINT, keys.other))["endpoint"]["id"],
        first_snapshot=snapshots[0]["id"],
        last_snapshot=snapshots[1]["id"],
        key=(await send("/v1/auth/api-keys", {"name": "spare"}))["api_key"]["id"],
    )
