import re
import shutil
from types import SimpleNamespace

import httpx
import pytest

from delta_server import app as delta_app
from delta_server.app import Application
from delta_server.config import Config
from delta_server.http import health as health_routes
from delta_server.http.health import LEAST_FREE_BYTES, Vitals
from delta_server.storage.database import DatabaseStats
from delta_server.tasks.loops import LoopState
from tests.conftest import Keys, bearer, client_of, started
from tests.storage.opened import START_MS, FakeClock


async def test_shallow(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_details(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    clock.advance(5000)
    for path in ("/healthz/details", "/v1/health"):
        answer = await client.get(path, headers=bearer(keys.read))
        health = answer.json()
        assert (answer.status_code, health["status"]) == (200, "ok")
        assert health["uptime_s"] == 5
        assert health["database"]["database_bytes"] > 0
        assert health["database"]["writes_waiting"] in (0, 1)  # a background loop may be writing
        assert health["disk_free_bytes"] > 0
        assert list(health["queues"]) == list(health_routes._HEALTH["queues"]) == ["deltas_pending"]
        assert {loop["name"] for loop in health["loops"]} >= {"forget old idempotency keys"}
        assert all(loop["running"] for loop in health["loops"])


async def test_a_database_that_does_not_answer(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await app.services.db.close()
    health = app.litestar.state.vitals.health()
    assert (health.status, health.database) == ("failing", None)
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/v1/health", headers=bearer(keys.read))).status_code == 503


def database(*, last_commit_failed: bool) -> DatabaseStats:
    return DatabaseStats(1, 1, 0, 0, 0, 1, 0, 1, 1, last_commit_failed)


def vitals(app: Application, loop: LoopState) -> Vitals:
    return Vitals(app.services, lambda: [loop], {})


@pytest.mark.parametrize(
    ("running", "failed", "free", "reasons"),
    [
        (True, False, LEAST_FREE_BYTES, []),
        (True, False, LEAST_FREE_BYTES - 1, ["bytes are free"]),
        (True, True, LEAST_FREE_BYTES, ["could not be stored"]),
        (False, False, LEAST_FREE_BYTES, ["'pack' has failed"]),
        (False, True, 0, ["could not be stored", "only 0 bytes", "'pack' has failed"]),
    ],
)
async def test_what_needs_its_owner(
    app: Application, monkeypatch: pytest.MonkeyPatch, running: bool, failed: bool, free: int, reasons: list[str]
) -> None:
    monkeypatch.setattr(app.services.db, "stats", lambda: database(last_commit_failed=failed))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    health = vitals(app, LoopState("pack", running, 0, failures=1, last_failed_at=START_MS)).health()
    assert health.status == ("degraded" if reasons else "ok")
    assert len(health.reasons) == len(reasons)
    assert all(part in reason for part, reason in zip(reasons, health.reasons, strict=True))
    assert health.loops[0].last_failed_at == "2026-01-01T00:00:00.000Z"


async def test_what_only_grows_is_a_counter(client: httpx.AsyncClient, keys: Keys) -> None:
    text = (await client.get("/metrics", headers=bearer(keys.project))).text
    for name in ("writes", "slow_writes", "commits", "commit_failures"):
        assert f"# TYPE delta_database_{name}_total counter" in text
    assert "# TYPE delta_database_database_bytes gauge" in text
    for name, told in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE):
        assert told.endswith("."), name


async def test_metrics(client: httpx.AsyncClient, keys: Keys) -> None:
    await client.get("/healthz")
    answer = await client.get("/metrics", headers=bearer(keys.project))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'delta_http_requests_total{method="GET",route="/healthz",status="200"} 1.0' in answer.text
    assert "delta_database_database_bytes " in answer.text
    assert "delta_loops_down 0.0" in answer.text
    assert "delta_deltas_pending 0.0" in answer.text
    assert "python_gc" not in answer.text


async def test_metrics_may_be_made_public(config: Config, clock: FakeClock) -> None:
    public = Config(storage=config.storage, server=type(config.server)(metrics_public=True))
    async with started(delta_app.build(public, clock=clock)) as app, client_of(app) as client:
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/v1/health")).status_code == 401
