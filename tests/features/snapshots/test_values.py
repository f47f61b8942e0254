"""One value of a snapshot."""

import json
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.features.snapshots import values
from tests.conftest import Keys, bearer
from tests.features.rows import Row, check
from tests.features.snapshots.shots import NOBODY, Shots

RECORDS = b'[{"id": "x", "v": 1.50}, {"id": "y", "text": "half \\ud83d"}]'
BODY = b' {"a": %b, "b/c": {"[id=1]": 12345678901234567890}} ' % RECORDS
VALUES: list[tuple[str, str, str, bytes]] = [
    ("/a/0/v", "/a/0/v", "number", b"1.50"),
    ("/a/[id=x]/v", "/a/0/v", "number", b"1.50"),
    ("/a/[id=y]", "/a/1", "object", b'{"id": "y", "text": "half \\ud83d"}'),
    ("/a/id=y/text", "/a/1/text", "string", b'"half \\ud83d"'),
    ("/b~1c/[id=1]", "/b~1c/[id=1]", "number", b"12345678901234567890"),
    ("", "", "object", BODY.strip()),
]


@pytest.fixture
async def id(client: httpx.AsyncClient, keys: Keys) -> str:
    return str((await Shots(client, keys).put(BODY))["id"])


async def test_refusals(client: httpx.AsyncClient, keys: Keys, id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at = f"/v1/snapshots/{id}/value"
    for row in (
        Row("without a key", "GET", at, 401, key=None),
        Row("another's", "GET", at, 404, key="other", says="no such snapshot"),
        Row("of nothing", "GET", f"/v1/snapshots/{NOBODY}/value", 404),
        Row("a path that is none", "GET", f"{at}?path=a", 400, field="path", says="begin with /"),
        Row("a pattern", "GET", f"{at}?path=/a/*/v", 400, field="path", says="one value"),
        Row("nothing there", "GET", f"{at}?path=/a/7", 404, says="nothing at /a/7"),
        Row("no such record", "GET", f"{at}?path=/a/[id=z]", 404),
        Row("below a number", "GET", f"{at}?path=/a/0/v/w", 404),
        Row("of another endpoint", "GET", f"{at}?endpoint_id=none", 404),
        Row("a way to write it", "GET", f"{at}?format=text", 400, field="format"),
    ):
        await check(client, keys, row)
    monkeypatch.setattr(values, "MOST_BYTES", 10)
    await check(client, keys, Row("too large", "GET", f"{at}?path=/a/1", 413, says="deeper path"))
    await check(client, keys, Row("not too large", "GET", f"{at}?path=/a/0/v", 200))


async def test_values_as_they_are_written(client: httpx.AsyncClient, keys: Keys, id: str) -> None:
    for path, place, kind, raw in VALUES:
        answer = await client.get(f"/v1/snapshots/{id}/value", params={"path": path}, headers=bearer(keys.project))
        told: dict[str, Any] = json.loads(answer.content)
        value = bytes(msgspec.json.decode(answer.content.replace(b"\\u", b"/u"), type=dict[str, msgspec.Raw])["value"])
        assert (told["path"], told["pointer"], told["kind"], told["size_bytes"]) == (path, place, kind, len(raw))
        assert value == raw.replace(b"\\u", b"/u")
