"""Commands beside a running server: it carries them out."""

import json
import stat
from pathlib import Path

import httpx

from tests.conftest import bearer
from tests.server_process import run, serving


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
        assert "shop: 1 events wait" in run(tmp_path, "events", "stats").stdout
        assert "1 events were sealed" in run(tmp_path, "events", "seal").stdout
        assert "shop: " in run(tmp_path, "events", "compact", "--project", "shop").stdout
        assert run(tmp_path, "pack").stdout.startswith("database size: ")
        listed = run(tmp_path, "key", "list").stdout
        id = key.split("_")[2]
        assert id in listed
        refused = run(tmp_path, "events", "seal", "--project", "shoe", check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "there is no project named shoe: shop" in refused.stderr
        assert key.rpartition("_")[2] not in listed
        run(tmp_path, "key", "revoke", id)
        assert client.get("/v1/endpoints", headers=bearer(key)).status_code == 401
        token = run(tmp_path, "setup-link").stdout.strip()
        owner = {"token": token, "email": "ada@example.com", "password": "correct horse battery"}
        signed_in = client.post("/v1/setup", json=owner)
        assert signed_in.status_code == 201
        assert json.loads(run(tmp_path, "user", "list", "--json").stdout)["email"] == "ada@example.com"
        last = run(tmp_path, "user", "disable", "ada@example.com", check=False)
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
