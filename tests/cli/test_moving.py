"""`export-project` and `import-project`: every byte, every event and every answer is the same on the other server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard

from tests.conftest import bearer
from tests.server_process import Server, create_key, run, serving

DOCUMENTS = [
    b'{"a":  1.10, "items": [{"sku": "x", "n": 1e2}]}',
    b'{"a":1.1,"items":[]}',
    '{"a": "\u00e9\\u00e9"}'.encode(),
]
SPAN = ["2020-01-01", "2030-01-01"]
QUERIES: list[dict[str, Any]] = [
    {"metrics": ["count", "unique_users"], "groupBy": ["eventType"], "range": SPAN},
    {"metrics": ["sum_data.price", "avg_duration"], "groupBy": ["source"], "range": SPAN},
    {"metrics": ["count"], "groupBy": ["time:1d"], "range": SPAN},
]
EVENTS = [
    {"eventType": "bought", "userId": f"u{number % 7}", "duration": number, "source": "web", "data": {"price": 1.10},
     "timestamp": f"2026-01-{1 + number % 20:02d}T00:00:00Z", "tags": ["a", "b"]}
    for number in range(1200)
]  # fmt: skip
CALLS = [
    {"type": "identify", "userId": "ann", "anonymousId": "x-1", "traits": {"plan": "pro", "age": 30}},
    {"type": "alias", "userId": "ann", "previousId": "ann@old"},
    {"type": "group", "userId": "ann", "groupId": "acme", "traits": {"seats": 5}},
    {"type": "track", "anonymousId": "x-1", "event": "seen", "properties": {"of": [1, 2.50]}},
]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The file, and what the server that it is of answers."""
    directory = tmp_path_factory.mktemp("origin")
    key = create_key(directory, "home")
    with serving(directory) as server, httpx.Client(base_url=server.url, headers=bearer(key), timeout=60) as client:
        made = client.post("/v1/endpoints", json={"name": "GET /prices", "description": "of things",
            "diff": {"array_keys": {"/items": ["sku"]}}, "retention": {"keep_last": 100}})  # fmt: skip
        assert made.status_code == 201, made.text
        client.post("/v1/endpoints", json={"name": "empty"})
        for number, body in enumerate(DOCUMENTS):
            at = f"2026-01-01T00:00:0{number}Z"
            sent = client.post("/v1/snapshots", params={"endpoint": "GET /prices", "captured_at": at}, content=body,
                               headers={"content-type": "application/json"})  # fmt: skip
            assert sent.status_code == 201, sent.text
        assert client.put("/v1/events/retention", json={"days": 4000}).status_code == 200
        for start in range(0, len(EVENTS), 500):
            assert client.post("/v1/events/batch", json={"events": EVENTS[start : start + 500]}).is_success
        assert client.post("/v1/batch", json={"batch": CALLS}).is_success
        assert run(directory, "export-project", "home", "home.delta").stdout.startswith(
            f"home: 2 endpoints, 3 snapshots, {len(EVENTS) + len(CALLS)} events written to home.delta"
        )
        yield directory / "home.delta", answers(client)


def answers(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = {}
    rows = client.get("/v1/snapshots", params={"endpoint": "GET /prices", "limit": 100}).json()["data"]
    found["snapshots"] = [(row["captured_at"], row["source"], row["metadata"]) for row in rows]
    found["documents"] = [client.get(f"/v1/snapshots/{row['id']}/data").content for row in rows]
    for name in ("GET /prices", "empty"):
        shown = client.get(f"/v1/endpoints/{name.replace('/', '%2F').replace(' ', '%20')}").json()["endpoint"]
        found[name] = {part: shown[part] for part in ("name", "description", "diff", "retention")}
    found["retention"] = client.get("/v1/events/retention").json()
    for number, query in enumerate(QUERIES):
        answer = client.post("/v1/query", json=query)
        assert answer.status_code == 200, answer.text
        found[f"query {number}"] = answer.json()["rows"]
    raw = client.get("/v1/export/events?format=ndjson").text.splitlines()
    found["events"] = sorted(raw)
    found["ann"] = {part: client.get("/v1/users/ann@old").json()["user"][part] for part in ("id", "traits", "aliases")}
    found["acme"] = client.get("/v1/groups/acme").json()["group"]["traits"]
    return found


@pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])
def test_all_of_it_is_there_on_another_server(
    origin: tuple[Path, dict[str, Any]], tmp_path: Path, running: bool
) -> None:
    file, wanted = origin
    key = create_key(tmp_path, "moved")
    importing = ("import-project", str(file), "--name", "moved")
    if not running:
        for _ in range(2):  # again: nothing is there twice
            assert "moved: 2 endpoints, 3 snapshots, 1204 events" in run(tmp_path, *importing).stdout
    with serving(tmp_path) as server:
        if running:
            run(tmp_path, *importing)
        compare(server, key, wanted)


def compare(server: Server, key: str, wanted: dict[str, Any]) -> None:
    with httpx.Client(base_url=server.url, headers=bearer(key), timeout=60) as client:
        found = answers(client)
    assert found["documents"] == wanted["documents"] == DOCUMENTS[::-1]
    assert {name: found[name] == value for name, value in wanted.items()} == dict.fromkeys(wanted, True)


def test_what_is_no_whole_archive_is_refused(origin: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    whole = origin[0].read_bytes()
    cases = {b"": "too early", whole[: len(whole) // 2]: "", b"nonsense": "damaged", whole[:-4] + b"abcd": "damaged"}
    for content, says in cases.items():
        (tmp_path / "file").write_bytes(content)
        refused = run(tmp_path, "import-project", "file", "--name", "x", check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert says in refused.stderr
        assert "Traceback" not in refused.stderr


def test_no_key_is_in_it(origin: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    with origin[0].open("rb") as file:
        text = zstandard.ZstdDecompressor().stream_reader(file).read()
    assert b"GET /prices" in text
    assert b"dk_" not in text
