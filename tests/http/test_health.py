import httpx

from delta_server import app as delta_app
from delta_server.app import Application
from delta_server.config import Config
from tests.conftest import Keys, bearer, client_of, started
from tests.storage.opened import FakeClock


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
        assert {loop["name"] for loop in health["loops"]} >= {"forget old idempotency keys"}
        assert all(loop["running"] for loop in health["loops"])


async def test_a_database_that_does_not_answer(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await app.services.db.close()
    health = app.litestar.state.vitals.health()
    assert (health.status, health.database) == ("failing", None)
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/v1/health", headers=bearer(keys.read))).status_code == 503


async def test_metrics(client: httpx.AsyncClient, keys: Keys) -> None:
    await client.get("/healthz")
    answer = await client.get("/metrics", headers=bearer(keys.project))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'delta_http_requests_total{method="GET",route="/healthz",status="200"} 1.0' in answer.text
    assert "delta_database_database_bytes " in answer.text
    assert "delta_loops_down 0.0" in answer.text
    assert "python_gc" not in answer.text


async def test_metrics_may_be_made_public(config: Config, clock: FakeClock) -> None:
    public = Config(storage=config.storage, server=type(config.server)(metrics_public=True))
    async with started(delta_app.build(public, clock=clock)) as app, client_of(app) as client:
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/v1/health")).status_code == 401
