"""Counts by day are those of what is stored, whatever comes and goes, and of what was there before there were any."""

import random

from delta_server.core import ids
from delta_server.core.history import activity
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.schemas import DiffChange, EndpointChange
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.overview import tasks
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.importing import Version as Imported
from delta_server.features.snapshots.importing import import_versions
from delta_server.services import Services
from delta_server.storage.database import Row, Tx
from tests.features.history import timelines
from tests.features.history.timelines import Version

HOUR, DAY = 3_600_000, 86_400_000


def kept(tx: Tx) -> list[Row]:
    return tx.all("SELECT * FROM activity ORDER BY endpoint, day")


def scanned(tx: Tx) -> list[Row]:
    """The same, out of what is stored."""
    days: dict[tuple[int, int], tuple[list[int], dict[int, list[int]]]] = {}
    for endpoint, at in tx.all("SELECT endpoint, captured_at FROM snapshot"):
        days.setdefault((endpoint, at // DAY), ([0] * 9, {}))[0][0] += 1
    rows = tx.all(
        "SELECT c.endpoint, c.captured_at, kind, added, removed, replaced, moved"
        " FROM delta JOIN content c ON c.id = delta.content WHERE dead = 0"
    )
    for endpoint, at, kind, *edits in rows:
        sums, hours = days[endpoint, at // DAY]
        counts = [int(number == kind) for number in range(4)] + edits
        for into in (sums, hours.setdefault(at % DAY // HOUR, [0] * 8)):
            into[-8:] = [a + b for a, b in zip(into[-8:], counts, strict=True)]
    return [
        (*key, *sums, activity.encoded({hour: activity.Counts(*hours[hour]) for hour in sorted(hours)}))
        for key, (sums, hours) in sorted(days.items())
    ]


def as_before(tx: Tx) -> None:
    """A database as it was before there were counts."""
    tx.run("DELETE FROM activity")
    tx.run("UPDATE endpoint SET uncounted_before = 1 << 62")


def history(chance: random.Random, versions: int) -> list[Version]:
    """Some equal, reordered or formatted otherwise, in no order."""
    made = []
    for at in chance.sample(range(0, 5 * DAY, HOUR // 3), versions):
        items = chance.sample(["1", "2", "3"], chance.choice((3, 3, 2)))
        made.append(Version(at, f'{{"items":[{", ".join(items)}],"n":{chance.randrange(3)}}}'.encode()))
    return made


async def test_counts_are_right_whatever_comes_and_goes(services: Services) -> None:
    chance = random.Random(11)
    endpoint = await timelines.endpoint_named(services, "prices")
    versions = history(chance, 150)
    stored = await timelines.fill(services, endpoint, versions[:100])
    await timelines.compute(services)
    for id in chance.sample(stored, 60):
        await snapshots.delete_snapshot(services, endpoint.project, id)
    stored = await timelines.fill(services, endpoint, versions[100:])
    assert services.db.peek(kept) != []
    await timelines.compute(services)
    await ignore(services, endpoint, "/n")
    await timelines.compute(services)
    assert services.db.peek(kept) == services.db.peek(scanned)
    assert {row[6] > 0 for row in services.db.peek(kept)} == {True, False}, "ignored ones too"
    for (uid,) in services.db.peek(lambda tx: tx.all("SELECT uid FROM snapshot")):
        await snapshots.delete_snapshot(services, endpoint.project, ids.text(uid))
    assert services.db.peek(kept) == []


async def ignore(services: Services, endpoint: EndpointRef, pattern: str) -> None:
    change = EndpointChange(diff=DiffChange(ignore=[pattern]))
    await endpoints.update_endpoint(services, endpoint.project, "prices", change)


async def test_imported_versions_are_counted(services: Services) -> None:
    endpoint = await timelines.endpoint_named(services, "prices")
    versions = [Imported(version.captured_at, version.body) for version in sorted(history(random.Random(13), 60))]
    await import_versions(services, endpoint.project, "prices", versions, lambda done: None)
    await timelines.compute(services)
    assert sum(row[2] for row in services.db.peek(kept)) == 60
    assert services.db.peek(kept) == services.db.peek(scanned)


async def test_an_old_directory_is_counted_behind_the_requests(services: Services) -> None:
    chance = random.Random(12)
    endpoint = await timelines.endpoint_named(services, "prices")
    versions = history(chance, 90)
    await timelines.fill(services, endpoint, versions[:80])
    await timelines.compute(services)
    await services.db.write(as_before)
    for step in range(3):  # broken off and gone on with, while versions come at any time
        await services.db.write(tasks._count_some, endpoint.id, 20)
        await timelines.fill(services, endpoint, versions[80 + 3 * step : 83 + 3 * step])
        await timelines.compute(services)
    assert not services.db.peek(endpoints.is_counted, endpoint.id)
    await tasks.count_activity(services)
    assert services.db.peek(endpoints.is_counted, endpoint.id)
    assert services.db.peek(kept) == services.db.peek(scanned)
