"""The executable, started in an empty directory and used as a person would. Run by `make test-binary`."""

import hashlib
import io
import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec
import pytest
import zstandard

from tests.server_process import BINARY, ROOT, Server, environment, run, serving

HISTORY = ROOT / "delta_server" / "data" / "usgs-quakes.ndjson.zst"
pytestmark = pytest.mark.skipif(not Path(BINARY[0]).exists(), reason="make build makes it")


def versions() -> Iterator[bytes]:
    with HISTORY.open("rb") as file:
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file)):
            yield msgspec.json.decode(line)["body"].encode()


def ask(server: Server, key: str, path: str, body: bytes | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with urlopen(Request(f"{server.url}{path}", data=body, headers=headers), timeout=30) as answer:
        content: bytes = answer.read()
        return content


def children(process: int) -> list[int]:
    """Of all its threads: one starts each process (storage/child_process.py)."""
    threads = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for thread in threads for child in thread.read_text().split()]


def test_key_import_serve_read_back_restart_verify(tmp_path: Path) -> None:
    key = run(tmp_path, "key", "create", "--project", "demo", command=BINARY).stdout.split()[0]
    run(tmp_path, "import", "--project", "demo", "--endpoint", "quakes", str(HISTORY), command=BINARY)
    last = list(versions())[-1]
    document = b'{"a" : 37.787619999999997}'
    with serving(tmp_path, command=BINARY) as server:
        latest = msgspec.json.decode(ask(server, key, "/v1/snapshots/latest/quakes"))["snapshot"]["id"]
        assert ask(server, key, f"/v1/snapshots/{latest}/data") == last
        posted = msgspec.json.decode(ask(server, key, "/v1/snapshots?endpoint=mine", document))["snapshot"]["id"]
        deltas = msgspec.json.decode(ask(server, key, "/v1/deltas?endpoint_id=quakes&limit=1"))
        assert deltas["data"]
        [script] = re.findall(rb'src="\./(assets/[\w.-]+\.js)"', ask(server, key, "/p/demo/e/quakes"))
        assert len(ask(server, key, f"/{script.decode()}")) > 10_000
        assert b"swagger" in ask(server, key, "/docs")
        assert len(ask(server, key, "/docs/swagger-ui-bundle.js")) > 1_000_000
        server.stop()
    with serving(tmp_path, command=BINARY) as server:
        assert ask(server, key, f"/v1/snapshots/{posted}/data") == document
        assert ask(server, key, f"/v1/snapshots/{latest}/data") == last
        server.stop()
    run(tmp_path, "pack", command=BINARY)
    run(tmp_path, "verify", command=BINARY)


def test_events_in_and_questions_about_them(tmp_path: Path) -> None:
    """DuckDB and the zones of the world are in the executable, and SQL runs in a second process of it."""
    key = run(tmp_path, "key", "create", "--project", "demo", command=BINARY).stdout.split()[0]
    with serving(tmp_path, command=BINARY) as server:
        ask(server, key, "/v1/events", b'{"eventType":"signup","userId":"ann","data":{"plan":"pro"}}')
        asked = b'{"metrics":["count"],"groupBy":["time:1d","data.plan"],"timezone":"Asia/Kolkata"}'
        [row] = msgspec.json.decode(ask(server, key, "/v1/query", asked))["rows"]
        assert (row["count"], row["data.plan"], row["time"][-6:]) == (1, "pro", "+05:30")
        counted = msgspec.json.decode(ask(server, key, "/v1/sql", b'{"sql":"SELECT count(*) AS n FROM events"}'))
        assert counted["rows"] == [{"n": 1}]
        [program] = children(server.process.pid)
        [second] = children(program)
        assert children(second) == []  # it has not unpacked itself again
        server.stop()
    run(tmp_path, "events", "seal", command=BINARY)
    assert "1" in run(tmp_path, "events", "stats", command=BINARY).stdout


def test_while_several_projects_call_their_queries_run_in_a_process_of_it(tmp_path: Path) -> None:
    keys = [
        run(tmp_path, "key", "create", "--project", name, command=BINARY).stdout.split()[0] for name in ("one", "two")
    ]
    with serving(tmp_path, command=BINARY) as server:
        for key in keys:
            ask(server, key, "/v1/events", b'{"eventType":"signup","userId":"ann"}')
        [program] = children(server.process.pid)
        answered_since = 0
        for _ in range(2_000):
            counted = [msgspec.json.decode(ask(server, key, "/v1/query", b"{}"))["rows"][0]["count"] for key in keys]
            assert counted == [1, 1]
            answered_since += any(_answers_queries(child) for child in children(program))
            if answered_since == 50:
                break
        assert answered_since == 50
        server.stop()


def _answers_queries(process: int) -> bool:
    return b"event-query-worker" in Path(f"/proc/{process}/cmdline").read_bytes()


def test_people_sign_in(tmp_path: Path) -> None:
    """The libraries of passwords and tokens are in the executable, and it takes commands while it runs."""
    with serving(tmp_path, command=BINARY) as server:
        token = run(tmp_path, "setup-link", command=BINARY).stdout.strip()
        owner = {"token": token, "email": "ada@example.com", "password": "correct horse battery"}
        made = msgspec.json.decode(ask(server, "", "/v1/setup", msgspec.json.encode(owner)))
        me = msgspec.json.decode(ask(server, made["access_token"], "/v1/auth/me"))
        assert me["user"]["email"] == "ada@example.com"
        server.stop()


def test_it_asks_an_identity_provider(tmp_path: Path) -> None:
    """One that has no address: what asks it, and says so, is in the executable."""
    env = {
        "DELTA_SERVER_PUBLIC_URL": "https://delta.invalid",
        "DELTA_AUTH_OIDC_ISSUER": "https://idp.invalid",
        "DELTA_AUTH_OIDC_CLIENT_ID": "delta",
    }
    with serving(tmp_path, command=BINARY, **env) as server:
        with pytest.raises(HTTPError) as failed:
            urlopen(f"{server.url}/v1/auth/oidc/login", timeout=30)
        assert failed.value.code == 502
        assert "(dns)" in msgspec.json.decode(failed.value.read())["message"]
        server.stop()


def test_it_is_small_and_unpacks_what_it_uses(tmp_path: Path) -> None:
    """DuckDB takes more than all the rest, and is there once somebody asks about events."""
    assert Path(BINARY[0]).stat().st_size < 60_000_000
    key = run(tmp_path, "key", "create", "--project", "demo", command=BINARY).stdout.split()[0]
    with serving(tmp_path, command=BINARY) as server:
        [program] = children(server.process.pid)
        maps = Path(f"/proc/{program}/maps")
        [unpacked] = {Path(found) for found in re.findall(r"(\S+/_MEI\w+)/", maps.read_text())}
        assert not list(unpacked.glob("_duckdb*.so"))
        assert sum(1 for _ in unpacked.rglob("*")) < 250
        ask(server, key, "/v1/events", b'{"eventType":"signup","userId":"ann"}')
        ask(server, key, "/v1/query", b'{"metrics":["count"]}')
        assert [library.name for library in unpacked.glob("_duckdb*.so")]
        server.stop()
    assert not unpacked.exists()


@pytest.mark.long
@pytest.mark.skipif("DELTA_LONG" not in os.environ, reason="builds twice: DELTA_LONG=1")
@pytest.mark.timeout(1800)
def test_two_builds_have_the_same_bytes(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        made = tmp_path / name
        command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level", "ERROR"]
        command += ["--distpath", str(made), "--workpath", str(made / "work"), "packaging/delta-server.spec"]
        env = environment(PYTHONHASHSEED="1", SOURCE_DATE_EPOCH="1", PYINSTALLER_CONFIG_DIR=str(made / "cache"))
        subprocess.run(command, cwd=ROOT, env=env, check=True)
        digests.add(hashlib.sha256((made / "delta-server").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_killed_it_leaves_no_orphan_and_no_litter(tmp_path: Path) -> None:
    """The process that waits for the server and then deletes what it has unpacked."""
    made = tmp_path / "tmp"
    made.mkdir()
    with serving(tmp_path, command=BINARY, TMPDIR=str(made)) as server:
        [program] = children(server.process.pid)
        handle = os.pidfd_open(program)
        assert len(list(made.iterdir())) == 1
        server.process.kill()
        assert select.select([handle], [], [], 30)[0], "the server goes on"
        os.close(handle)
    assert not list(made.iterdir())


def test_it_carries_one_sqlite_library(tmp_path: Path) -> None:
    with serving(tmp_path, command=BINARY) as server:
        [child] = children(server.process.pid)
        assert not re.search("_sqlite3|libsqlite3", Path(f"/proc/{child}/maps").read_text())
        server.stop()
