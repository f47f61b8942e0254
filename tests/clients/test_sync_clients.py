"""RxDB and WatermelonDB, unchanged, two replicas of each over a real server: they agree after edits on both sides while
away, deletions, lost answers, and when the server was put back from a copy."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import NODE
from tests.server_process import create_key, serving

UNLIMITED = {
    "DELTA_LOG_LEVEL": "error",
    "DELTA_SYNC_PUSHES_PER_MINUTE": "0",
    "DELTA_SYNC_PULLS_PER_MINUTE": "0",
    "DELTA_RATE_LIMITS_INGEST_PER_MINUTE": "off",
    "DELTA_RATE_LIMITS_QUERY_PER_MINUTE": "off",
}


@pytest.mark.parametrize("script", ["sync_rxdb.js", "sync_watermelon.js"])
def test_two_replicas_agree(tmp_path: Path, node: str, script: str) -> None:
    """The script compares; here the server is stopped and loses its mark, as one that was put back from a copy."""
    key = create_key(tmp_path, "shop")
    with serving(tmp_path, **UNLIMITED) as server:
        port = server.url.rpartition(":")[2]
        replicas = subprocess.Popen(
            [node, script, server.url, key],
            cwd=NODE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert replicas.stdout is not None
            assert replicas.stdout.readline() == "restart\n", replicas.communicate()[1]
            server.stop()
        except BaseException:
            replicas.kill()
            raise
    (tmp_path / "delta-data" / "sync.mark").unlink()
    with serving(tmp_path, **UNLIMITED, DELTA_SERVER_PORT=port):
        try:
            said, errors = replicas.communicate("go on\n", timeout=120)
        finally:
            replicas.kill()
    assert replicas.returncode == 0, errors
    assert json.loads(said)["lost"] > 0
