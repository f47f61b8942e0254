"""What the tests of snapshots and deltas over HTTP share."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from delta_server.app import Application
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer

TABLES = ("endpoint", "snapshot", "content", "frame", "pack", "delta", "field", "once")
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
JSON = {"content-type": "application/json"}


async def rows(app: Application) -> dict[str, int]:
    """How many rows there are of all that a snapshot may add to."""
    return await app.services.db.read(_rows)


def _rows(tx: Tx) -> dict[str, int]:
    return {table: tx.all(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


class Shots:
    """Stores and reads snapshots with one key; what is not answered as it should be fails the test."""

    def __init__(self, client: httpx.AsyncClient, keys: Keys, key: str = "project") -> None:
        self.client = client
        self.headers = bearer(getattr(keys, key))

    async def raw(self, document: bytes, endpoint: str = "e", *, status: int = 201, **query: Any) -> Any:
        """POST the document as the body."""
        params = {"endpoint": endpoint, **query}
        return await self.send("POST", "/v1/snapshots", content=document, params=params, status=status)

    async def put(self, document: bytes, endpoint: str = "e", **query: Any) -> dict[str, Any]:
        """As `raw`; the stored snapshot."""
        stored: dict[str, Any] = (await self.raw(document, endpoint, **query))["snapshot"]
        return stored

    async def at(self, *moments: tuple[float, bytes], endpoint: str = "e") -> list[dict[str, Any]]:
        """Documents at seconds of the first minute of 2020, one request each."""
        return [await self.put(body, endpoint, captured_at=second(moment)) for moment, body in moments]

    async def get(self, path: str, /, *, status: int = 200, **query: Any) -> Any:
        return await self.send("GET", path, params=query or None, status=status)

    async def data(self, id: str) -> bytes:
        answer = await self.client.get(f"/v1/snapshots/{id}/data", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.content

    async def send(
        self, method: str, path: str, *, status: int = 200, headers: dict[str, str] | None = None, **request: Any
    ) -> Any:
        headers = {**JSON, **self.headers, **(headers or {})}
        answer = await self.client.request(method, path, headers=headers, **request)
        assert answer.status_code == status, answer.text
        return json.loads(answer.content, parse_int=_int) if answer.content else None

    async def walk(self, path: str, /, **query: Any) -> list[Any]:
        """All items of a list, page by page as the cursors say."""
        items: list[Any] = []
        cursor: dict[str, str] = {}
        for _ in range(1000):
            page = await self.get(path, **{**query, **cursor})
            items += page["data"]
            assert page["has_more"] == (page["next_cursor"] is not None)
            if not page["has_more"]:
                return items
            cursor = {"cursor": page["next_cursor"]}
        raise AssertionError("the list does not end")


def _int(text: str) -> int | str:
    return int(text) if len(text) < 4000 else text


def second(moment: float) -> str:
    return f"2020-01-01T00:{int(moment) // 60:02}:{moment % 60:06.3f}Z"


def envelope(document: bytes, endpoint: str = "e", **fields: Any) -> bytes:
    """The document in an envelope, as it stands."""
    rest = msgspec.json.encode({"endpoint_id": endpoint, **fields})
    return rest[:-1] + b', "data":' + document + b"}"


def batch(*envelopes: bytes) -> bytes:
    return b'{"snapshots": [' + b", ".join(envelopes) + b"]}"


def path_of(name: str) -> str:
    return quote(name, safe="")
