"""`export-project` and `import-project`: every byte, every event and every answer is the same on the other server."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import zstandard

from delta_server.cli.project_archive import EndHead, EndpointHead, EventsHead, Head, ProjectHead, SnapshotHead, written
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
        project = client.get("/v1/projects").json()["data"][0]["id"]
        assert client.patch(f"/v1/projects/{project}", json={"description": "ours"}).is_success
        for number, body in enumerate(DOCUMENTS):
            at = f"2026-01-01T00:00:0{number}Z"
            sent = client.post("/v1/snapshots", params={"endpoint": "GET /prices", "captured_at": at}, content=body,
                               headers={"content-type": "application/json"})  # fmt: skip
            assert sent.status_code == 201, sent.text
        rule = {"mode": "warn", "schema": {"type": "object", "required": ["items"]}}
        assert client.put("/v1/endpoints/GET%20%2Fprices/schema/enforcement", json=rule).is_success
        assert client.put("/v1/events/retention", json={"days": 4000}).status_code == 200
        for start in range(0, len(EVENTS), 500):
            assert client.post("/v1/events/batch", json={"events": EVENTS[start : start + 500]}).is_success
        assert client.post("/v1/batch", json={"batch": CALLS}).is_success
        for number in range(2):
            spec = {"metrics": ["count"], "groupBy": [f"time:{1 + number}d"]}
            saved = client.post("/v1/saved-queries", json={"name": f"seen {number}", "kind": "explorer", "spec": spec})
            assert saved.status_code == 201, saved.text
        tiles = [{"id": "a", "query_id": saved.json()["saved_query"]["id"], "title": "Seen", "width": 2}]
        assert client.post("/v1/boards", json={"name": "Wall", "tiles": tiles}).status_code == 201
        noted = {"text": "1.2 went out", "kind": "deploy", "time": "2026-01-01T00:00:00Z"}
        assert client.post("/v1/annotations", json=noted).status_code == 201
        stretch = {"text": "the disk was full", "kind": "incident", "end": "2026-01-02T00:00:00Z"}
        assert client.post("/v1/annotations", json={**noted, **stretch, "link": "https://x.example/1"}).is_success
        assert run(directory, "export-project", "home", "home.delta").stdout.startswith(
            f"home: 2 endpoints, 3 snapshots, {len(EVENTS) + len(CALLS)} events, 5 views written to home.delta"
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
    rule = client.get("/v1/endpoints/GET%20%2Fprices/schema/enforcement").json()
    found["rule"] = {part: rule[part] for part in ("mode", "source", "schema")}
    found["description"] = client.get("/v1/projects").json()["data"][0]["description"]
    found["retention"] = client.get("/v1/events/retention").json()
    for number, query in enumerate(QUERIES):
        answer = client.post("/v1/query", json=query)
        assert answer.status_code == 200, answer.text
        found[f"query {number}"] = answer.json()["rows"]
    raw = client.get("/v1/export/events?format=ndjson").text.splitlines()
    found["events"] = sorted(raw)
    found["ann"] = {part: client.get("/v1/users/ann@old").json()["user"][part] for part in ("id", "traits", "aliases")}
    queries = client.get("/v1/saved-queries").json()["data"]
    full = [client.get(f"/v1/saved-queries/{row['id']}").json()["saved_query"] for row in queries]
    found["saved queries"] = [{part: row[part] for part in ("name", "kind", "spec", "view")} for row in full]
    boards = [client.get(f"/v1/boards/{row['id']}").json()["board"] for row in client.get("/v1/boards").json()["data"]]
    found["boards"] = [
        (board["name"], [{**tile, "query_id": tile["query"]["name"]} for tile in board["tiles"]]) for board in boards
    ]
    noted = client.get("/v1/annotations", params={"from": "2025-01-01", "to": "2027-01-01"}).json()["data"]
    found["annotations"] = [{part: row[part] for part in ("time", "end", "kind", "text", "link")} for row in noted]
    found["acme"] = client.get("/v1/groups/acme").json()["group"]["traits"]
    return found


@pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])
def test_all_of_it_is_there_on_another_server(
    origin: tuple[Path, dict[str, Any]], tmp_path: Path, running: bool
) -> None:
    file, wanted = origin
    importing = ("import-project", str(file), "--name", "moved")
    if not running:
        for more in ((), ("--into-existing",)):  # again: nothing is there twice
            assert "moved: 2 endpoints, 3 snapshots, 1204 events" in run(tmp_path, *importing, *more).stdout
    with serving(tmp_path) as server:
        if running:
            run(tmp_path, *importing)
        refused = run(tmp_path, *importing, check=False)
        assert (refused.returncode, "--into-existing" in refused.stderr) == (1, True)
        key = run(tmp_path, "key", "create", "--project", "moved", "--scope", "admin").stdout.split()[-1]
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


AT = 1_780_000_000_000
END = EndHead(1, 1, 0)


def archive(path: Path, *parts: tuple[Head, bytes]) -> Path:
    with written(path) as out:
        out.write(ProjectHead("there", "", msgspec.Raw(b'{"days":1}')))
        for head, body in parts:
            out.write(head, body)
    return path


def test_what_is_there_keeps_its_settings_and_what_is_refused_is_told(tmp_path: Path) -> None:
    key = create_key(tmp_path, "there")
    deep, new = b"[" * 3000 + b"]" * 3000, EndpointHead("new", "", {}, {})
    file = archive(
        tmp_path / "file",
        (EndpointHead("old", "other", {"ignore": ["/v"]}, {"keep_last": 1}), b""),
        (new, b""),
        (SnapshotHead(AT, None, None), b'{"ok":1}'),
        (SnapshotHead(AT + 1, None, None), b"{not json"),
        (SnapshotHead(AT + 2, None, None), deep),
        (SnapshotHead(AT + 3, "s" * 5000, None), b"{}"),
        (SnapshotHead(10**18, None, None), b"{}"),
        (SnapshotHead(-(10**18), None, None), b"{}"),
        (EndHead(2, 6, 0), b""),
    )
    with serving(tmp_path) as server, httpx.Client(base_url=server.url, headers=bearer(key), timeout=60) as client:
        client.post("/v1/endpoints", json={"name": "old", "description": "mine", "retention": {"keep_days": 9}})
        watched = ("/v1/endpoints/old", "/v1/events/retention")
        before = [client.get(path).json() for path in watched]
        done = run(tmp_path, "import-project", str(file), "--into-existing", check=False)
        assert [client.get(path).json() for path in watched] == before
        assert len(client.get("/v1/snapshots", params={"endpoint": "new"}).json()["data"]) == 1
    assert (done.returncode, "keep their settings: 1" in done.stdout) == (1, True)
    assert "5 of the snapshots were refused" in done.stderr
    assert done.stderr.count("refused: new") == 5
    assert "Traceback" not in done.stderr


def test_what_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    event = {"time_ms": AT, "received_at": AT, "event_type": "x"}
    lines = b"".join(json.dumps({**event, **more}).encode() + b"\n" for more in ({}, {"priority": 10**30}))
    cases: list[tuple[str, list[tuple[Head, bytes]]]] = [
        ("event 2 of the file: priority", [(EventsHead(2), lines), (EndHead(0, 0, 2), b"")]),
        ("not hold the events", [(EventsHead(5), msgspec.json.encode(event)), (EndHead(0, 0, 5), b"")]),
        ("goes on after its end", [(EndHead(0, 0, 0), b""), (EndpointHead("new", "", {}, {}), b""), (END, b"")]),
    ]
    for number, (says, parts) in enumerate(cases):
        file = archive(tmp_path / f"{number}", *parts)
        refused = run(tmp_path, "import-project", str(file), "--name", f"x{number}", check=False)
        assert (refused.returncode, says in refused.stderr) == (1, True), refused.stderr


def test_an_archive_is_its_owners_and_touches_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "file.part").symlink_to("mine")
    archive(tmp_path / "file", (END, b""))
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert ((tmp_path / "mine").read_bytes(), (tmp_path / "file.part").is_symlink()) == (b"mine", True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "file.part", "mine"]
