"""Questions about users over ten million events, before and after 200,000 of their anonymous ids turned out to be
users': over HTTP to a real server, one after the other on the same data."""

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from delta_server import app
from delta_server.config.sections import Config
from delta_server.core.events.event import Event
from delta_server.core.events.profile_update import Alias, ProfileUpdate
from delta_server.core.times import DAY_MS
from delta_server.features.profiles import service as profiles
from delta_server.storage.sqlite.options import Storage
from tests.bench import analytics, event_data
from tests.bench.load import Connection
from tests.bench.table import Row, bench
from tests.bench.turns import sized
from tests.server_process import create_key, serving

EVENTS, MERGED = sized((10_000_000, 200_000), (3_000, 100))
DAYS = sized(30, 3)
_NOT_ROLLED = [["is", "status", ["ok", "error"]]]
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "unique users": ("/v1/query", {"metrics": ["unique_users"], "filters": _NOT_ROLLED}),
    "unique users by day": ("/v1/query", {"metrics": ["unique_users"], "groupBy": ["time:1d"], "filters": _NOT_ROLLED}),
    "unique users by day, from rollups": ("/v1/query", {"metrics": ["unique_users"], "groupBy": ["time:1d"]}),
    "a funnel of two steps": ("/v1/query/funnel", {"steps": ["page_view", "purchase"], "window": "7d"}),
}


@bench("persons: users before and after merges")
def merges() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        directory, end_ms = Path(name), time.time_ns() // 1_000_000 // DAY_MS * DAY_MS
        asyncio.run(_fill(directory / "delta-data", end_ms))
        key = create_key(directory, "bench")
        before, users_before = _asked(directory, key, end_ms)
        began = time.perf_counter()
        asyncio.run(_merge(directory / "delta-data"))
        yield Row(f"{MERGED:,} ids merged, rollups corrected", time.perf_counter() - began, "s")
        after, users_after = _asked(directory, key, end_ms)
    assert users_after < users_before
    for question in QUESTIONS:
        yield Row(
            f"{EVENTS // 1_000_000}M events, {MERGED:,} merged persons: {question}",
            after[question],
            "ms",
            before[question],
            "without merges",
            bar=1.3,
        )


async def _fill(data_dir: Path, end_ms: int) -> None:
    """A data directory with the events, all of them sealed, merged and rolled up."""
    import duckdb

    async with app.open_services(Config(storage=Storage(data_dir=data_dir))) as svc:
        project = await svc.db.write(analytics.make_project)
        rows = event_data.made(duckdb.connect(), count=EVENTS, end_ms=end_ms, days=DAYS, at_once=analytics.AT_ONCE)
        for number, batch in enumerate(rows):
            await svc.event_writer.append_events(project, [_event(row, n) for n, row in enumerate(batch)])
            if number % 13 == 12:
                await svc.event_maintenance.run_maintenance(project)
        await svc.event_maintenance.run_maintenance(project, seal=True, compact=True)


def _event(row: tuple[Any, ...], number: int) -> Event:
    """Every third event is of somebody who is not logged in."""
    event = analytics.event(row)
    if number % 3 == 0:
        event.anonymous_id, event.user_id = f"device-of-{event.user_id}", None
    return event


async def _merge(data_dir: Path) -> None:
    async with app.open_services(Config(storage=Storage(data_dir=data_dir))) as svc:
        project = await svc.db.write(analytics.make_project)
        for first in range(0, MERGED, 10_000):
            names = (f"user-{n}" for n in range(first, min(first + 10_000, MERGED)))
            told: list[tuple[int, ProfileUpdate]] = [
                (0, Alias(f"device-of-{name}", name, 0, anonymous=True)) for name in names
            ]
            await svc.db.write(profiles.store_updates, project, profiles.pack_updates(told), frozenset())
            await profiles.apply_updates(svc, project)
        await svc.event_maintenance.run_maintenance(project, seal=True, compact=True)


def _asked(directory: Path, key: str, end_ms: int) -> tuple[dict[str, float], int]:
    """(ms by question, how many users there are)."""
    with serving(directory, DELTA_LOG_LEVEL="warning") as server, Connection(server.url, key) as connection:
        found = {}
        for name, (path, body) in QUESTIONS.items():

            def ask(turn: int, path: str = path, body: dict[str, Any] = body) -> Any:
                """Each turn asks for another limit: no answer can come from the cache."""
                span = [analytics.text(end_ms - DAYS * DAY_MS), analytics.text(end_ms)]
                sent = json.dumps({**body, "range": span, "limit": 900 + turn}).encode()
                return json.loads(connection.post(path, sent, wanted=200))

            found[name] = analytics.median_ms(ask)
        [row] = ask(99, *QUESTIONS["unique users"])["rows"]
        return found, row["unique_users"]
