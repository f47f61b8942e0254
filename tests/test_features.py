"""Features declare all they are. docs/architecture.md is followed to the letter: its feature is added and answers."""

import asyncio
import importlib
import re
from pathlib import Path

import httpx
import pytest

from delta_server import app as delta_app
from delta_server import features
from delta_server.config.sections import Config
from delta_server.core.errors import Unavailable
from delta_server.http.feature import Feature, Step
from delta_server.services import Services
from tests.conftest import Keys, bearer, built, client_of, make_keys, started
from tests.storage.opened import FAST, FakeClock

PAGE = (Path(__file__).parent.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
FILES = re.findall(r"`delta_server/features/(ages/\w+\.py)`:\n\n```python\n(.*?)```", PAGE, re.S)
MOST_LINES = 30


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Feature]:
    """All features and that of the page, whose files stand beside the others."""
    (tmp_path / "ages").mkdir()
    (tmp_path / "ages" / "__init__.py").touch()
    for name, text in FILES:
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(features, "__path__", [*features.__path__, str(tmp_path)])
    ages = importlib.import_module("delta_server.features.ages.feature")
    return [*delta_app.FEATURES, ages.FEATURE]


def test_a_feature_is_few_lines() -> None:
    assert [name for name, _ in FILES] == ["ages/api.py", "ages/feature.py"]
    assert sum(len(text.splitlines()) for _, text in FILES) < MOST_LINES


async def test_the_page_s_feature_is_a_whole_one(config: Config, clock: FakeClock, added: list[Feature]) -> None:
    application = delta_app.build(config, clock=clock, tuning=FAST, features=added)
    async with started(application), client_of(application) as client:
        keys = await make_keys(application.services, clock)
        await _uses(client, keys, clock)


async def _uses(client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
    route = "/v1/ages/prices"
    await client.post("/v1/snapshots?endpoint=prices", json={"EUR": 1}, headers=bearer(keys.project))
    clock.advance(1500)
    assert (await client.get(route)).status_code == 401
    assert (await client.get(route, headers=bearer(keys.ingest))).status_code == 403
    assert (await client.get(route, headers=bearer(keys.other))).status_code == 404
    assert (await client.get(f"{route}?unit=s", headers=bearer(keys.read))).status_code == 400
    assert (await client.get(route, headers=bearer(keys.read))).json() == {"age_ms": 1500}
    described = (await client.get("/docs/openapi.json")).json()["paths"]["/v1/ages/{endpoint}"]["get"]
    assert described["x-scope"] == "snapshots:read"
    assert described["parameters"][0]["description"].startswith("An endpoint's id or name")


def test_a_feature_without_its_guard_stops_the_start(config: Config, added: list[Feature]) -> None:
    unguarded = Feature(name="ages", routes=added[-1].routes)
    with pytest.raises(RuntimeError, match=r"GET /v1/ages/\{\}"):
        delta_app.routed(config, [*delta_app.FEATURES, unguarded])


async def test_steps_that_fail_hold_up_neither_start_nor_end(config: Config, clock: FakeClock) -> None:
    """Each feature's own, and the next feature's run all the same."""
    ran: list[str] = []

    def failing(name: str) -> Step:
        async def step(_: Services) -> None:
            ran.append(name)
            raise Unavailable(f"{name} does not work")

        return step

    pair = [
        Feature(name=name, at_start=failing(f"start {name}"), at_end=failing(f"end {name}"), queues={name: lambda _: 7})
        for name in ("one", "two")
    ]
    application = delta_app.build(config, clock=clock, tuning=FAST, features=[*delta_app.FEATURES, *pair])
    async with started(application), client_of(application) as client:
        keys = await make_keys(application.services, clock)
        told = (await client.get("/healthz/details", headers=bearer(keys.account))).json()
        assert (told["queues"]["one"], told["queues"]["two"]) == (7, 7)
        assert ran == ["start one", "start two"]
    assert ran == ["start one", "start two", "end one", "end two"]


async def test_rows_that_point_at_others_go_before_those(config: Config, clock: FakeClock) -> None:
    async with delta_app.open_services(config, clock, tuning=FAST) as services:
        order = [one.__module__.split(".")[2] for one in services.owned_by("endpoint")]
    assert order == [
        "alerts", "anomalies", "feeds", "inbound_webhooks", "schemas", "history", "polls", "snapshots", "deltas",
        "activity", "contents", "enforcement", "usage", "polling",
    ]  # fmt: skip


async def test_the_engine_of_queries_is_imported_at_start_where_there_are_events(
    config: Config, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported, loop = asyncio.Event(), asyncio.get_running_loop()
    monkeypatch.setattr(delta_app, "import_engine", lambda: loop.call_soon_threadsafe(imported.set))
    async with started(built(config, clock)) as app, client_of(app) as client:
        key = (await make_keys(app.services, clock)).project
        sent = await client.post("/v1/events", json={"eventType": "signup", "userId": "ann"}, headers=bearer(key))
        assert sent.is_success
    assert not imported.is_set()
    async with started(built(config, clock)):
        await asyncio.wait_for(imported.wait(), 60)
