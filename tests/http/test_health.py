import re
import shutil
import subprocess
from time import monotonic
from types import SimpleNamespace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from delta_server import app as delta_app
from delta_server.app import Application
from delta_server.config.sections import Config
from delta_server.http import health as health_routes
from delta_server.http.health import LEAST_FREE_BYTES, Vitals
from delta_server.storage.database import DatabaseStats
from delta_server.tasks.loops import LoopState
from tests.conftest import Keys, bearer, client_of, shared, started
from tests.storage.opened import START_MS, FakeClock


@shared
async def test_shallow(shared_client: httpx.AsyncClient) -> None:
    assert (await shared_client.get("/healthz")).json() == {"status": "ok", "server": "ok", "database": "ok"}


LOOPS = [  # all there are: one that is no longer started would not be missed otherwise
    "apply retention",
    "checkpoint the write-ahead log",
    "compact the field index",
    "complete the series that are asked for",
    "compute deltas",
    "count activity by day",
    "count what projects store",
    "cut off old audit rows",
    "delete deliveries that were replaced",
    "delete ended sessions",
    "delete expired idempotency keys",
    "delete jobs that ended",
    "delete old invitations",
    "delete registrations that nobody confirmed",
    "delete the salts of past days",
    "end streams of expired keys",
    "expire alerts",
    "expire anomalies",
    "expire deliveries",
    "expire records of polls",
    "expire schemas of events",
    "expire synced records",
    "expire uploads of records",
    "fan out events to webhooks",
    "fan out to webhooks",
    "forget answers to synced batches",
    "forget resolved conflicts",
    "give memory back to the system",
    "judge alerts",
    "judge alerts of time",
    "learn schemas",
    "learn schemas of events",
    "look for anomalies",
    "mail invitations",
    "mail links for forgotten passwords",
    "mail registrations",
    "mail that a backup failed",
    "mail that webhooks were turned off",
    "make room on a full disk",
    "merge old packs",
    "move to cold storage and back",
    "note what projects occupy",
    "pack loose contents",
    "pack new contents",
    "poll endpoints",
    "record what was counted",
    "record when keys were last used",
    "remove deleted endpoints",
    "remove deleted projects",
    "roll up usage",
    "roll up, compact and expire events",
    "run erasures",
    "seal new events",
    "send webhooks",
    "send what alerts held back",
    "show uploads",
    "sweep dead contents",
    "take backups",
    "trim the outbox",
    "update planner statistics",
    "update profiles",
    "write how far devices are",
]


async def test_details(client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_routes, "monotonic", lambda: monotonic() + 5)
    answer = await client.get("/healthz/details", headers=bearer(keys.account))
    health = answer.json()
    assert (answer.status_code, health["status"]) == (200, "healthy")
    assert set(health["dependencies"].values()) == {"healthy"}
    assert health["uptime_s"] >= 5
    assert health["database"]["database_bytes"] > 0
    assert health["database"]["writes_waiting"] in (0, 1)  # a background loop may be writing
    assert health["disk_free_bytes"] > 0
    assert (
        list(health["queues"]) == list(health_routes.EXAMPLE["queues"]) == ["deltas_pending", "webhook_deliveries_open"]
    )
    assert sorted(loop["name"] for loop in health["loops"]) == LOOPS
    assert all(loop["running"] for loop in health["loops"])


@pytest.mark.parametrize(("jump_ms", "says"), [(-86_400_000, "set back by 86"), (9 * 86_400_000, "set forward by 777")])
async def test_a_clock_that_was_set_is_told_of(
    client: httpx.AsyncClient, keys: Keys, clock: FakeClock, jump_ms: int, says: str
) -> None:
    """And does not change for how long the server has run."""
    clock.set_by(jump_ms)
    health = (await client.get("/healthz/details", headers=bearer(keys.account))).json()
    assert health["status"] == "degraded"
    assert [reason for reason in health["reasons"] if says in reason]
    assert 0 <= health["uptime_s"] < 3600


@pytest.mark.parametrize("path", ["/healthz/details", "/metrics"])
@shared
async def test_a_projects_key_sees_nothing_of_the_whole_server(
    shared_client: httpx.AsyncClient, own_keys: Keys, path: str
) -> None:
    for key, status in ((own_keys.project, 403), (own_keys.read, 403), (own_keys.ingest, 403), (own_keys.account, 200)):
        assert (await shared_client.get(path, headers=bearer(key))).status_code == status


async def test_health_by_dependency_needs_no_key(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    public = (await client.get("/v1/health")).json()
    names = ["snapshot_store", "event_store", "user_store", "rate_limiter"]
    assert public == {
        "status": "healthy",
        "dependencies": dict.fromkeys(names, "healthy"),
        "timestamp": "2026-01-01T00:00:00.002Z",
    }
    for key in (keys.project, keys.read, keys.ingest):
        assert (await client.get("/v1/health", headers=bearer(key))).json() == public
    seen = (await client.get("/v1/health", headers=bearer(keys.account))).json()
    assert set(seen) == {*public, "details"}
    assert seen["details"]["database"]["database_bytes"] > 0
    for path in ("/api/health", "/api/v1/health"):
        assert (await client.get(path)).json() == public


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer nonsense"}, 401),
        ({"authorization": "Basic eDp5"}, 401),
        ({"x-api-key": ""}, 401),
    ],
)
@shared
async def test_a_key_that_is_no_good_is_told_so_at_health_too(
    shared_client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    assert (await shared_client.get("/v1/health", headers=headers)).status_code == status


async def test_a_database_that_does_not_answer(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await app.services.db.close()
    health = app.litestar.state.vitals.health()
    assert (health.status, health.database) == ("unhealthy", None)
    shallow = await client.get("/healthz")
    assert (shallow.status_code, shallow.json()) == (
        503,
        {"status": "failing", "server": "ok", "database": "failing"},
    )
    for headers in ({}, bearer(keys.account)):
        answer = await client.get("/v1/health", headers=headers)
        assert answer.status_code == 503
        assert set(answer.json()) == {"status", "dependencies", "timestamp"}  # whose key it is cannot be looked up
        assert answer.json()["dependencies"]["event_store"] == "unhealthy"
        assert answer.json()["dependencies"]["rate_limiter"] == "healthy"


async def test_requests_that_fill_the_memory_for_bodies(app: Application, client: httpx.AsyncClient) -> None:
    app.edge.budgets.bodies.used_bytes = app.edge.budgets.bodies.limit_bytes
    health = (await client.get("/v1/health")).json()
    assert (health["status"], health["dependencies"]["rate_limiter"]) == ("degraded", "degraded")
    assert health["dependencies"]["event_store"] == "healthy"


@pytest.mark.parametrize(
    ("loop", "dependency"),
    [
        ("compute deltas", "snapshot_store"),
        ("checkpoint the write-ahead log", "snapshot_store"),
        ("seal new events", "event_store"),
        ("update profiles", "user_store"),
        ("run erasures", "user_store"),
    ],
)
async def test_a_loop_that_is_down_is_told_by_what_it_looks_after(app: Application, loop: str, dependency: str) -> None:
    health = vitals(app, LoopState(loop, False, 0, failures=1, last_failed_at=START_MS)).health()
    assert [name for name, state in health.dependencies.items() if state == "degraded"] == [dependency]
    assert health.status == "degraded"


def database(*, last_commit_failed: bool) -> DatabaseStats:
    return DatabaseStats(1, 1, 0, 0, 0, 1, 0, 1, 1, last_commit_failed, disk_full=False)


def vitals(app: Application, loop: LoopState) -> Vitals:
    dependencies = delta_app.health_by(app.services)
    return Vitals(app.services, lambda: [loop], {}, dependencies=dependencies, budgets=[app.edge.budgets.bodies])


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
    assert health.status == ("degraded" if reasons else "healthy")
    assert len(health.reasons) == len(reasons)
    assert all(part in reason for part, reason in zip(reasons, health.reasons, strict=True))
    assert health.loops[0].last_failed_at == "2026-01-01T00:00:00.000Z"


@shared
async def test_what_only_grows_is_a_counter(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    text = (await shared_client.get("/metrics", headers=bearer(own_keys.account))).text
    for name in ("writes", "slow_writes", "commits", "commit_failures"):
        assert f"# TYPE delta_database_{name}_total counter" in text
    assert "# TYPE delta_database_database_bytes gauge" in text
    for name, told in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE):
        assert told.endswith("."), name


async def test_metrics(client: httpx.AsyncClient, keys: Keys) -> None:
    await client.get("/healthz")
    answer = await client.get("/metrics", headers=bearer(keys.account))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'delta_http_requests_total{method="GET",route="/healthz",status="200"} 1.0' in answer.text
    assert "delta_database_database_bytes " in answer.text
    assert "delta_loops_down 0.0" in answer.text
    assert "delta_deltas_pending 0.0" in answer.text
    assert "delta_webhook_deliveries_open 0.0" in answer.text
    assert "python_gc" not in answer.text
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"delta_http_requests", "delta_http_request_seconds", "delta_backup_failing"} <= names


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
async def test_promtool_finds_nothing_wrong_with_them(client: httpx.AsyncClient, keys: Keys) -> None:
    text = (await client.get("/metrics", headers=bearer(keys.account))).text
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_metrics_may_be_made_public(config: Config, clock: FakeClock) -> None:
    public = Config(storage=config.storage, server=type(config.server)(metrics_public=True))
    async with started(delta_app.build(public, clock=clock)) as app, client_of(app) as client:
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/healthz/details")).status_code == 401
