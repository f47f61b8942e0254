"""Random requests to the management routes: no 500, every refusal is a problem document and leaves no trace."""

import json
import random
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from delta_server.app import Application
from delta_server.storage.database import Row, Tx
from tests.conftest import Keys, bearer

REQUESTS = 150
NAMES = [
    "name",
    "description",
    "diff",
    "retention",
    "array_keys",
    "arrayKeys",
    "ignore",
    "tolerance",
    "order",
    "keep_days",
    "keepLast",
    "project",
    "scopes",
    "expires_at",
    "id",
    "created_at",
    "__proto__",
    "",
    "\0",
]
TEXTS = [
    "",
    "users",
    "/a/*",
    "/**",
    "set",
    "strict",
    "read",
    "a\0",
    "\u202e",
    "🐋",
    "../..",
    "' OR 1=1 --",
    "x" * 5000,
    "01890a5d-ac96-774b-bcce-b302099a8057",
    "2026-13-45",
    "9999-12-31T23:59:59Z",
    "\ufffe",
    "de\u0301po\u0302t",
]
NUMBERS = ["0", "-1", "1", "1e400", "1E-400", "9" * 5000, "9223372036854775808", "1.5", "-0", "0.1"]
BROKEN = [
    b"",
    b" ",
    b"{",
    b"nul",
    b"\xff",
    b'{"name":"\\ud800"}',
    b'{"name":NaN}',
    b"[" * 6000,
    b'{"a":' * 6000,
    b"\xef\xbb\xbf{}",
    b'{"name":"a","name":"b"}',
    b'{"diff":{"order":{"/a":"set","/a":"set"}}}',
    b"{}{}",
    b'"users"',
]
ROUTES = [
    ("POST", "/v1/projects", "account"),
    ("PATCH", "/v1/projects/{}", "account"),
    ("GET", "/v1/projects/{}", "account"),
    ("POST", "/v1/endpoints", "project"),
    ("PATCH", "/v1/endpoints/{}", "project"),
    ("GET", "/v1/endpoints/{}", "project"),
    ("GET", "/v1/endpoints?{}={}", "project"),
    ("POST", "/v1/auth/api-keys", "account"),
    ("DELETE", "/v1/auth/api-keys/{}", "account"),
]
TABLES = ["project", "endpoint", "api_key", "once"]


@pytest.mark.parametrize("seed", range(4))
async def test_random_requests(app: Application, client: httpx.AsyncClient, keys: Keys, seed: int) -> None:
    chance = random.Random(seed)
    for name in ("users", "GET /prices"):
        await client.post("/v1/endpoints", headers=bearer(keys.project), json={"name": name})
    answered: dict[int, int] = {}
    for _ in range(REQUESTS):
        method, template, key = chance.choice(ROUTES)
        path = "".join(part + (_segment(chance) if more else "") for part, more in _parts(template))
        headers = {**bearer(getattr(keys, key)), "content-type": "application/json"}
        before = await app.services.db.read(_everything)
        body = _body(chance) if method in ("POST", "PATCH") else b""
        answer = await client.request(method, path, headers=headers, content=body)
        answered[answer.status_code] = answered.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (method, path[:200], body[:500])
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["message"]
            assert len(answer.content) < 30_000
            assert await app.services.db.read(_everything) == before, (method, path[:200], body[:500])
    assert {200, 400, 404} <= answered.keys()


def _parts(template: str) -> list[tuple[str, bool]]:
    pieces = template.split("{}")
    return [(piece, number < len(pieces) - 1) for number, piece in enumerate(pieces)]


def _segment(chance: random.Random) -> str:
    known = ["users", "mine", "GET /prices", "limit", "cursor", "name_prefix", "1", "%", "100"]
    return quote(chance.choice([*TEXTS, *known, *known])[:900], safe="")


def _body(chance: random.Random) -> bytes:
    if chance.random() < 0.2:
        return chance.choice(BROKEN)
    fields = {"name": _text(chance)} if chance.random() < 0.7 else {}
    for _ in range(chance.randrange(3)):
        fields[chance.choice(NAMES)] = _value(chance, 3)
    return _object(fields).encode()


def _value(chance: random.Random, depth: int) -> str:
    kind = chance.randrange(7 if depth else 4)
    if kind == 0:
        return chance.choice(["null", "true", "false"])
    if kind == 1:
        return chance.choice(NUMBERS)
    if kind <= 3:
        return _text(chance)
    if kind == 4:
        return "[" + ",".join(_value(chance, depth - 1) for _ in range(chance.randrange(4))) + "]"
    return _object({chance.choice(NAMES + TEXTS[:9]): _value(chance, depth - 1) for _ in range(chance.randrange(4))})


def _text(chance: random.Random) -> str:
    return _quoted(chance.choice(TEXTS) + chance.choice(["", "", str(chance.randrange(99))]))


def _object(fields: dict[str, str]) -> str:
    return "{" + ",".join(f"{_quoted(name)}:{value}" for name, value in fields.items()) + "}"


def _quoted(text: str) -> str:
    return json.dumps(text)


def _everything(tx: Tx) -> list[list[Row]]:
    columns: dict[str, Any] = {"api_key": "id, public_id, project, name, scopes, expires_at, revoked_at"}
    return [tx.all(f"SELECT {columns.get(table, '*')} FROM {table} ORDER BY 1") for table in TABLES]
