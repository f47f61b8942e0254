"""A table's row for API tests: one request, and what it must be answered."""

from typing import Any

import httpx
import msgspec

from tests.conftest import Keys, bearer


class Row(msgspec.Struct, frozen=True):
    """`key` is a field of Keys, None for no key. `says` must stand in a refusal's message, `field` in its errors."""

    title: str
    method: str
    path: str
    status: int
    key: str | None = "project"
    body: Any = None
    raw: bytes | None = None
    form: dict[str, Any] | None = None
    says: str = ""
    field: str | None = None

    def __str__(self) -> str:
        return self.title


async def check(client: httpx.AsyncClient, keys: Keys, row: Row) -> Any:
    """Send the row's request; the decoded answer, if it is as wanted."""
    answer = await send(client, keys, row)
    assert answer.status_code == row.status, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert row.says in answer.json()["message"]
    if row.field is not None:
        assert row.field in [error["field"] for error in answer.json()["errors"]]
    return answer.json() if answer.content else None


async def send(client: httpx.AsyncClient, keys: Keys, row: Row) -> httpx.Response:
    headers = {} if row.key is None else bearer(getattr(keys, row.key))
    if row.form is not None:
        return await client.request(row.method, row.path, headers=headers, data=row.form)
    if row.raw is None:
        return await client.request(row.method, row.path, headers=headers, json=row.body)
    headers["content-type"] = "application/json"
    return await client.request(row.method, row.path, headers=headers, content=row.raw)
