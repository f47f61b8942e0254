"""The keys that deltas found, and what they do for comparisons of any two moments; notes on keys that were set."""

import json
from typing import Any

import pytest

from delta_server.core.diff.compare import DiffSettings
from delta_server.features.deltas import service, store
from delta_server.features.deltas.schemas import Comparison, Delta
from delta_server.features.endpoints.service import EndpointRef
from delta_server.services import Services
from tests import histories
from tests.features.history import timelines
from tests.features.history.timelines import Version, compute, endpoint_named, fill


def quake(number: int, title: str, mag: float) -> dict[str, Any]:
    return {"properties": {"url": f"/event/{number}", "title": title, "mag": mag}}


def feed(begin: int, **more: Any) -> bytes:
    """Nine earthquakes, the same titles in every feed that begins at a multiple of nine."""
    return json.dumps({"f": [quake(n, f"M {n % 9}", n / 7) for n in range(begin, begin + 9)], **more}).encode()


async def compared(svc: Services, endpoint: EndpointRef, ids: list[str], **more: Any) -> Delta:
    wanted = Comparison(from_snapshot_id=ids[0], to_snapshot_id=ids[-1], format="changes", **more)
    return await service.compare(svc, endpoint.project, wanted, endpoint)


async def test_a_found_key_holds_between_far_moments(services: Services) -> None:
    endpoint = await endpoint_named(services, "quakes")
    ids = await fill(services, endpoint, [Version(n + 1, feed(n)) for n in range(19)])
    await compute(services)
    assert service.known_keys(services, endpoint.id) == (("/f", ("properties/url",)),)
    found = await compared(services, endpoint, ids)
    assert (found.removed, found.added, found.replaced, found.moved) == (9, 9, 0, 0)
    apart = await compared(services, endpoint, ids, diff=DiffSettings(ignore=["/f/*/properties/url"]))
    assert apart.replaced > 0, "which the title alone would join"


async def test_a_comparison_learns_the_key_where_none_is_remembered(services: Services) -> None:
    """As in a database whose deltas are older than the remembering."""
    endpoint = await endpoint_named(services, "quakes")
    ids = await fill(services, endpoint, [Version(n + 1, feed(n)) for n in range(19)])
    await compute(services)
    await services.db.write(lambda tx: tx.run("UPDATE endpoint SET found_keys = '{}'"))
    for first, last in ((0, 18), (18, 0), (0, 12)):
        found = await compared(services, endpoint, [ids[first], ids[last]])
        assert (found.removed, found.added, found.replaced) == (9, 9, 0), (first, last)
    assert service.known_keys(services, endpoint.id) == ()


async def test_the_next_delta_after_a_long_gap_knows_the_key(services: Services) -> None:
    endpoint = await endpoint_named(services, "quakes")
    await fill(services, endpoint, [Version(n + 1, feed(n)) for n in range(5)])
    await compute(services)
    [late] = await fill(services, endpoint, [Version(100, feed(22))])
    await compute(services)
    found = await service.get_delta(services, endpoint.project, late, "changes")
    assert (found.removed, found.added, found.replaced) == (9, 9, 0)
    [listed] = await service.deltas_of(services, endpoint.project, [bytes.fromhex(late.replace("-", ""))])
    assert listed is not None
    assert (listed.removed, listed.added, listed.fields) == (found.removed, found.added, found.fields)


@pytest.mark.parametrize("at", [0, 3, 7])
async def test_the_first_deltas_of_all_know_the_key_that_most_of_them_found(services: Services, at: int) -> None:
    """One long gap among versions that are computed together, wherever in them it is."""
    endpoint = await endpoint_named(services, "quakes")
    begins = [n if n <= at else n + 18 for n in range(9)]
    ids = await fill(services, endpoint, [Version(n + 1, feed(begin)) for n, begin in enumerate(begins)])
    await compute(services)
    assert service.known_keys(services, endpoint.id) == (("/f", ("properties/url",)),)
    uids = [bytes.fromhex(id.replace("-", "")) for id in ids[1:]]
    stored = await service.deltas_of(services, endpoint.project, uids)
    counts = [(one.removed, one.added, one.replaced) for one in stored if one is not None]
    assert counts == [(9, 9, 0) if n == at else (1, 1, 0) for n in range(8)]


@pytest.mark.parametrize("name", histories.names())
async def test_far_moments_of_real_histories_join_no_two_records(services: Services, name: str) -> None:
    """Ten versions of each, so that those between which the keys were found are far apart already."""
    pattern, key = KEYS[name]
    versions = histories.versions(name)
    chosen = versions[:: max(1, len(versions) // 10)]
    endpoint = await endpoint_named(services, name)
    ids = await fill(services, endpoint, [Version(n + 1, body) for n, body in enumerate(chosen)])
    await compute(services)
    for first, last in ((0, len(ids) - 1), (1, len(ids) // 2), (len(ids) - 2, 2)):
        wanted = Comparison(from_snapshot_id=ids[first], to_snapshot_id=ids[last], format="rows", count=2000)
        found = await service.compare(services, endpoint.project, wanted, endpoint)
        before, after = ({_value(record, key) for record in _records(chosen[n], pattern)} for n in (first, last))
        wanted_counts = (len(before - after), len(after - before))
        assert [(one.removed, one.added) for one in found.fields if one.path == f"{pattern}/*"] == [wanted_counts]


KEYS = {
    "ausgrid-planned": ("", "WebId"),
    "ca-fires": ("/Incidents", "UniqueId"),
    "hn-domain": ("", "id"),
    "usgs-quakes": ("/features", "properties/url"),
}


def _records(body: bytes, pattern: str) -> list[Any]:
    document = json.loads(body)
    found: list[Any] = document[pattern[1:]] if pattern else document
    return found


def _value(record: Any, key: str) -> Any:
    for name in key.split("/"):
        record = record[name]
    return record


async def test_a_real_history_joins_no_two_earthquakes(services: Services) -> None:
    endpoint = await endpoint_named(services, "quakes")
    versions = timelines.quakes()
    ids = await fill(services, endpoint, versions)
    await compute(services)
    for first in range(0, 100, 7):
        found = await compared(services, endpoint, [ids[first], ids[first + 99]])
        before, after = ({q["properties"]["url"] for q in json.loads(versions[n].body)["features"]}
                         for n in (first, first + 99))  # fmt: skip
        assert (found.removed, found.added) == (len(before - after), len(after - before))


async def test_keys_of_the_settings_are_not_remembered(services: Services) -> None:
    endpoint = await endpoint_named(services, "e", {"array_keys": {"": ["n"]}})
    rows = [{"id": 1, "n": "x", "v": 1}, {"id": 2, "n": "y", "v": 1}]
    await fill(services, endpoint, [Version(n, json.dumps([rows[0] | {"v": n}, rows[1]]).encode()) for n in (1, 2, 3)])
    await compute(services)
    assert service.known_keys(services, endpoint.id) == ()
    endpoint = await endpoint_named(services, "e", {"array_keys": None})
    await compute(services)
    assert service.known_keys(services, endpoint.id) == (("", ("id",)),)


async def test_what_is_known_is_written_only_when_it_changes(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = await endpoint_named(services, "quakes")
    await fill(services, endpoint, [Version(n + 1, feed(n)) for n in range(20)])
    await compute(services)
    await fill(services, endpoint, [Version(n + 1, feed(n)) for n in range(20, 40)])
    monkeypatch.setattr(store, "vote", None)
    await compute(services)
    assert service.known_keys(services, endpoint.id) == (("/f", ("properties/url",)),)


async def test_notes_say_what_a_key_of_the_settings_could_not_match(services: Services) -> None:
    endpoint = await endpoint_named(services, "e", {"array_keys": {"/r": ["k"]}})
    bodies = [{"r": [{"k": 1, "v": 1}, {"v": 9}, {"k": 2, "v": n}]} for n in (3, 30)]
    ids = await fill(services, endpoint, [Version(n, json.dumps(body).encode()) for n, body in enumerate(bodies)])
    await compute(services)
    [stored] = await service.deltas_of(services, endpoint.project, [bytes.fromhex(ids[1].replace("-", ""))])
    again = await service.get_delta(services, endpoint.project, ids[1], "changes")
    compare = await compared(services, endpoint, ids)
    assert stored is not None
    assert stored.notes == again.notes == compare.notes
    [note] = stored.notes
    assert (note.path, note.message.startswith("2 of 6 elements")) == ("/r", True)
    assert (await compared(services, endpoint, ids, diff=DiffSettings())).notes == []
