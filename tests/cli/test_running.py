"""Commands beside a running server: it carries them out."""

import json
import signal
import stat
import subprocess
from contextlib import chdir, nullcontext
from pathlib import Path

import httpx
from click.testing import CliRunner

from delta_server.cli.main import cli
from tests.cli.imports import line, second, sentences
from tests.cli.test_git_history import Repository
from tests.conftest import bearer
from tests.secret_sweep import SWEEP
from tests.server_process import run, serving, start


def here(directory: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """As `run`, in this process: a command takes half a second to begin in one of its own."""
    with chdir(directory):
        done = CliRunner().invoke(cli, arguments)
    assert not check or done.exit_code == 0, done.output
    SWEEP.use_keys_in(done.stdout)
    SWEEP.write(f"what {arguments} reported", done.stderr)
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def test_everyday_commands_do_not_need_the_server_stopped(tmp_path: Path) -> None:
    with serving(tmp_path) as server, httpx.Client(base_url=server.url) as client:
        socket = tmp_path / "delta-data" / "delta.sock"
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        key = run(tmp_path, "key", "create", "--project", "shop", "--scope", "admin").stdout.strip()
        for price in range(3):
            sent = client.post("/v1/snapshots?endpoint=prices", json={"price": price}, headers=bearer(key))
            assert sent.status_code == 201, sent.text
        event = {"eventType": "bought", "userId": "u1"}
        assert client.post("/v1/events", json=event, headers=bearer(key)).status_code < 300
        assert "shop: 1 events wait" in here(tmp_path, "events", "stats").stdout
        assert "1 events were sealed" in here(tmp_path, "events", "seal").stdout
        assert "shop: " in here(tmp_path, "events", "compact", "--project", "shop").stdout
        assert here(tmp_path, "pack").stdout.startswith("database size: ")
        listed = here(tmp_path, "key", "list").stdout
        id = key.split("_")[2]
        assert id in listed
        refused = here(tmp_path, "events", "seal", "--project", "shoe", check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "there is no project named shoe: shop" in refused.stderr
        assert key.rpartition("_")[2] not in listed
        here(tmp_path, "key", "revoke", id)
        assert client.get("/v1/endpoints", headers=bearer(key)).status_code == 401
        token = here(tmp_path, "setup-link").stdout.strip()
        owner = {"token": token, "email": "ada@example.com", "password": "correct horse battery"}
        signed_in = client.post("/v1/setup", json=owner)
        assert signed_in.status_code == 201
        assert json.loads(here(tmp_path, "user", "list", "--json").stdout)["email"] == "ada@example.com"
        last = here(tmp_path, "user", "disable", "ada@example.com", check=False)
        assert "last owner" in last.stderr
        logged = server.stop()
        assert '"command":"key create"' in logged
        for secret in (key, token, owner["password"], signed_in.json()["refresh_token"]):
            assert secret not in logged
        assert not socket.exists()


def test_a_socket_of_a_server_that_was_killed_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.process.kill()
        server.process.wait()
    assert (tmp_path / "delta-data" / "delta.sock").exists()
    assert run(tmp_path, "key", "list").returncode == 0  # without a server
    with serving(tmp_path):
        assert run(tmp_path, "key", "create", "--project", "shop").returncode == 0


def test_an_import_beside_a_server_is_that_without_one(tmp_path: Path) -> None:
    """A file twice, a directory, one that breaks off, and the versions of a file in git."""
    lines = [line(second(n), json.dumps({"n": n, "filler": "x" * 1000})) for n in range(3000)]
    lines[1000] = line(second(1000), "no JSON")
    (tmp_path / "history.ndjson").write_bytes(b"".join(lines))
    (tmp_path / "broken.ndjson").write_bytes(b"".join(lines[:40]) + b"{")
    repository = Repository(tmp_path / "repository")
    for at in (10, 30, 20):
        repository.commit(at, {"a.json": b"[%d]" % at})
    orders = [
        ("file", "history.ndjson"),
        ("git", "--git", "repository", "a.json"),
        ("dated", "dated"),
        ("broken", "broken.ndjson"),
        ("file", "history.ndjson"),
    ]
    (tmp_path / "dated").mkdir()
    (tmp_path / "dated" / "2026-05-01.json").write_bytes(b"[1]")
    told: dict[str, list[tuple[int, str, str]]] = {}
    for where in ("with", "without"):
        directory = tmp_path / where
        directory.mkdir()
        for name in ("history.ndjson", "broken.ndjson", "repository", "dated"):
            (directory / name).symlink_to(tmp_path / name)
        with serving(directory) if where == "with" else nullcontext():
            done = [
                here(directory, "import", "--endpoint", endpoint, *arguments, check=False)
                for endpoint, *arguments in orders
            ]
        told[where] = [(each.returncode, each.stdout, sentences(each.stderr)) for each in done]
        exported = [here(directory, "export", "--endpoint", endpoint, "-").stdout for endpoint, *_ in orders[:3]]
        told[where] += [(0, text, "") for text in exported]
    assert told["with"] == told["without"]
    assert told["with"][0][1].startswith("file: 2999 versions stored, 0 were there already, 1 refused")
    assert told["with"][4][1].startswith("file: 0 versions stored, 2999 were there already, 1 refused")
    assert "40 versions were stored and are kept" in told["with"][3][2]


def test_an_import_beside_a_server_that_is_interrupted_goes_on_when_it_is_run_again(tmp_path: Path) -> None:
    lines = [line(second(n), json.dumps({"n": n})) for n in range(6000)]
    (tmp_path / "history.ndjson").write_bytes(b"".join(lines))
    with serving(tmp_path) as server:
        words = ("import", "--endpoint", "e", "-")
        with start(*words, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as importing:
            assert importing.stdin is not None
            assert importing.stderr is not None
            importing.stdin.write(b"".join(lines[:5000]))
            importing.stdin.flush()
            while run(tmp_path, "show", "e", check=False).returncode:
                pass  # until the first batch is stored
            importing.send_signal(signal.SIGINT)
            assert "run the same command again" in importing.stderr.read().decode()
            assert importing.wait() == 130
        again = run(tmp_path, "import", "--endpoint", "e", "history.ndjson").stdout.replace(",", "").split()
        assert int(again[1]) + int(again[4]) == 6000
        assert int(again[4]) > 0
        assert "Traceback" not in server.stop()
