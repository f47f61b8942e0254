"""POST /v1/mcp: each message answered by itself, by raw requests and by the protocol's own client."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Keys, bearer, shared, shared_fixture
from tests.features.rows import Row, check
from tests.server_process import create_key, serving

MCP = "/v1/mcp"


def call(method: str, id: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


ROWS = [
    Row("without a key", "POST", MCP, 401, key=None, body=call("ping")),
    Row("a public key", "POST", MCP, 403, key="ingest", body=call("ping")),
    Row("a revoked key", "POST", MCP, 401, key="revoked", body=call("ping")),
    Row("an account's without a project", "POST", MCP, 403, key="account", body=call("ping")),
    Row("no JSON-RPC", "POST", MCP, 400, body={"method": "ping", "id": 1}),
    Row("several at once", "POST", MCP, 400, body=[call("ping")]),
    Row("an id that is none", "POST", MCP, 400, body=call("ping", id={})),
    Row("only posted", "GET", MCP, 405),
]


@shared
async def test_rows(shared_client: httpx.AsyncClient, shared_keys: Keys) -> None:
    for row in ROWS:
        await check(shared_client, shared_keys, row)


@shared_fixture
async def filled(shared_client: httpx.AsyncClient, shared_keys: Keys) -> None:
    headers = bearer(shared_keys.project)
    for hour, price in enumerate((1, 2)):
        sent = await shared_client.post(
            "/v1/snapshots",
            params={"endpoint": "prices", "captured_at": f"2025-12-31T0{hour}:00:00Z"},
            json={"of": {"EUR": price}},
            headers=headers,
        )
        assert sent.status_code == 201, sent.text
    await shared_client.post(
        "/v1/batch", json={"batch": [{"type": "track", "userId": "ann", "event": "seen"}]}, headers=headers
    )
    await shared_client.post("/v1/snapshots?endpoint=secret", json={"theirs": 1}, headers=bearer(shared_keys.other))


async def ask(client: httpx.AsyncClient, key: str, body: Any, **headers: str) -> Any:
    answer = await client.post(MCP, json=body, headers=bearer(key) | headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def tool(client: httpx.AsyncClient, key: str, name: str, **arguments: Any) -> tuple[bool, str]:
    result = (await ask(client, key, call("tools/call", name=name, arguments=arguments)))["result"]
    return result["isError"], result["content"][0]["text"]


@shared
async def test_versions_are_agreed_on(shared_client: httpx.AsyncClient, shared_keys: Keys) -> None:
    for asked, given in (("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")):
        answer = await ask(shared_client, shared_keys.read, call("initialize", protocolVersion=asked))
        assert answer["result"]["protocolVersion"] == given
    headers = bearer(shared_keys.read) | {"mcp-protocol-version": "1999-01-01"}
    assert (await shared_client.post(MCP, json=call("ping"), headers=headers)).status_code == 400
    notice = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    told = await shared_client.post(MCP, json=notice, headers=bearer(shared_keys.read))
    assert (told.status_code, told.content) == (202, b"")
    refused = await ask(shared_client, shared_keys.read, call("resources/list", id="x"))
    assert (refused["id"], refused["error"]["code"], "result" in refused) == ("x", -32601, False)
    wrong = await ask(shared_client, shared_keys.read, call("tools/call", name="drop_everything"))
    assert wrong["error"]["code"] == -32602


@shared
async def test_tools_read(shared_client: httpx.AsyncClient, shared_keys: Keys, filled: None) -> None:
    async def of(name: str, **arguments: Any) -> Any:
        failed, text = await tool(shared_client, shared_keys.read, name, **arguments)
        assert not failed, text
        return json.loads(text)

    assert [one["name"] for one in (await of("list_endpoints"))["endpoints"]] == ["prices"]
    then = await of("get_document", endpoint="prices", time="2025-12-31T00:30:00Z")
    assert (then["document"], then["captured_at"]) == ({"of": {"EUR": 1}}, "2025-12-31T00:00:00.000Z")
    assert (await of("get_document", endpoint="prices", path="/of/EUR"))["document"] == 2
    changed = await of("what_changed", endpoint="prices", from_time="2025-12-31T00:30:00Z")
    assert changed["diff"][0]["path"] == "/of/EUR"
    found = await of("field_history", endpoint="prices", path="/of/EUR")
    assert [one["value"] for one in found["changes"]] == [2, 1]
    assert (await of("query_events", group_by=["eventType"], range=["2025-12-01", "2026-02-01"]))["rows"][0][
        "count"
    ] == 1


@shared
async def test_what_fails_says_so_in_the_answer(
    shared_client: httpx.AsyncClient, shared_keys: Keys, filled: None
) -> None:
    rows: list[tuple[str, dict[str, Any], str]] = [
        ("get_document", {"endpoint": "secret"}, "no such endpoint"),
        ("get_document", {}, "endpoint"),
        ("get_document", {"endpoint": "prices", "time": "soon"}, "time"),
        ("get_document", {"endpoint": "prices", "path": "/[\x01=1]/v"}, "/[\x01=1]/v"),
        ("get_document", {"endpoint": "prices", "of": 1}, "of"),
        ("field_history", {"endpoint": "prices", "path": "/\0", "limit": "x"}, "limit"),
        ("query_events", {"metrics": ["nonsense"]}, "metric"),
    ]
    for name, arguments, says in rows:
        failed, text = await tool(shared_client, shared_keys.read, name, **arguments)
        assert failed, name
        assert says in text


@shared
async def test_the_scopes_of_the_key_hold(shared_client: httpx.AsyncClient, shared_keys: Keys, filled: None) -> None:
    made = await shared_client.post(
        "/v1/auth/api-keys", json={"name": "narrow", "scopes": ["endpoints:read"]}, headers=bearer(shared_keys.project)
    )
    key = made.json()["key"]
    listed = await ask(shared_client, key, call("tools/list"))
    assert [one["name"] for one in listed["result"]["tools"]] == ["list_endpoints"]
    failed, text = await tool(shared_client, key, "get_document", endpoint="prices")
    assert failed
    assert "snapshots:read" in text
    assert len((await ask(shared_client, shared_keys.read, call("tools/list")))["result"]["tools"]) == 5


@shared
async def test_a_large_answer_is_refused(
    shared_client: httpx.AsyncClient, shared_keys: Keys, filled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delta_server.features.mcp.tools.MOST_BYTES", 10)
    failed, text = await tool(shared_client, shared_keys.read, "get_document", endpoint="prices")
    assert failed
    assert "ask for a part" in text


async def test_the_protocols_own_client(tmp_path: Path) -> None:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    key = create_key(tmp_path, "home")
    with serving(tmp_path) as server:
        httpx.post(f"{server.url}/v1/snapshots?endpoint=prices", json={"EUR": 1.08}, headers=bearer(key))
        http = httpx2.AsyncClient(headers=bearer(key))
        async with Client(streamable_http_client(f"{server.url}{MCP}", http_client=http)) as client:
            assert [one.name for one in (await client.list_tools()).tools][:2] == ["list_endpoints", "get_document"]
            found = await client.call_tool("get_document", {"endpoint": "prices"})
            assert '"document":{"EUR":1.08}' in str(found.content[0])
            assert (await client.call_tool("get_document", {"endpoint": "none"})).is_error
        await http.aclose()
