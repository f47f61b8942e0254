"""Series are the numbers that the documents have, whatever index told where to look."""

import json
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.core.history import series
from delta_server.features.deltas import service as deltas
from delta_server.features.history import series as reading
from delta_server.features.history import store
from tests.conftest import Keys, bearer
from tests.features.history import timelines
from tests.features.history.timelines import ABSENT, Version, comparable, decoded
from tests.features.rows import Row, check

LINE = "/v1/endpoints/quakes/series"
MAG = "/features/*/properties/mag"
REFUSED = [
    Row("without a key", "GET", f"{LINE}?path={MAG}", 401, key=None),
    Row("another's", "GET", f"{LINE}?path={MAG}", 404, key="other"),
    Row("no path", "GET", LINE, 400, field="path"),
    Row("no pointer", "GET", f"{LINE}?path=mag", 400, field="path"),
    Row("any number of steps", "GET", f"{LINE}?path=/**/mag", 400, field="path"),
    Row("too many of them", "GET", f"{LINE}?path=/*/*/*", 400, field="path"),
    Row("no points", "GET", f"{LINE}?path={MAG}&points=1", 400, field="points"),
    Row("too many records", "GET", f"{LINE}?path={MAG}&records=1001", 400, field="records"),
    Row("a record that is no path", "GET", f"{LINE}?path={MAG}&record=us1", 400, field="record"),
    Row("records that are a pattern", "GET", f"{LINE}?path={MAG}&record=/features/*", 400, field="record"),
    Row("too many by name", "GET", f"{LINE}?path={MAG}{'&record=/a' * 51}", 400, field="record"),
    Row("no time", "GET", f"{LINE}?path={MAG}&from=soon", 400, field="from"),
]


@pytest.fixture
async def quakes(app: Application, keys: Keys) -> list[Version]:
    endpoint = await timelines.endpoint_named(app.services, "quakes")
    versions = timelines.quakes()[:60]
    await timelines.fill(app.services, endpoint, versions)
    await timelines.compute(app.services)
    assert deltas.known_keys(app.services, endpoint.id)
    return versions


async def ask(client: httpx.AsyncClient, keys: Keys, query: str) -> Any:
    answer = await client.get(f"{LINE}?{query}", headers=bearer(keys.project))
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text, parse_float=Decimal)


def stepped(found: Any, line: Any, at: int) -> Any:
    """The number that a line has at a time."""
    value = ABSENT
    for time, each in zip(found["times"], line["values"], strict=True):
        if times.parse(time, field="") <= at:
            value = ABSENT if each is None else each
    return value


async def test_numbers_are_those_of_the_documents(
    app: Application, client: httpx.AsyncClient, keys: Keys, quakes: list[Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    for row in REFUSED:
        await check(client, keys, row)
    found = await ask(client, keys, f"path={MAG}&records=1000")
    lines = {line["record"]: line for line in found["series"]}
    assert (found["left_off"], found["exact"]) == (0, True)
    seen: set[str] = set()
    for version in quakes:
        features = decoded(version.body)["features"]
        there = {f"/features/[id={feature['id']}]": feature["properties"] for feature in features}
        seen |= there.keys()
        for record, line in lines.items():
            assert comparable(stepped(found, line, version.captured_at)) == comparable(
                there[record]["mag"] if record in there else ABSENT
            )
        newest = there
    assert lines.keys() == seen
    assert all(lines[record]["label"] == of["title"] for record, of in newest.items())

    some = await ask(client, keys, f"path={MAG}&records=5")
    assert (some["series"], some["left_off"]) == (found["series"][:5], len(lines) - 5)
    *_, first, last = lines
    named = await ask(client, keys, f"path={MAG}&record={first}&record={last.replace('[', '').replace(']', '')}")
    assert (named["times"], named["left_off"]) == (found["times"], 0)
    assert {line["record"]: line for line in named["series"]} == {one: lines[one] for one in (first, last)}
    assert (await ask(client, keys, f"path={MAG}&record=/features/[id=none]"))["series"] == []
    count = await ask(client, keys, "path=/metadata/count")
    assert [(line["record"], line["label"]) for line in count["series"]] == [(None, None)]
    for version in quakes:
        wanted = decoded(version.body)["metadata"]["count"]
        assert stepped(count, count["series"][0], version.captured_at) == wanted
    half = quakes[30].captured_at
    later = await ask(client, keys, f"path={MAG}&records=1000&from={times.format(half)}")
    assert later["times"][0] == times.format(half)
    assert {line["record"]: stepped(later, line, half) for line in later["series"]} == {
        line["record"]: stepped(found, lines[line["record"]], half) for line in later["series"]
    }
    assert (await ask(client, keys, "path=/metadata/none"))["series"] == []

    thin = await ask(client, keys, f"path={MAG}&records=1000&points=6")
    assert len(thin["times"]) == 6
    for line in thin["series"]:
        whole = [value for value in lines[line["record"]]["values"] if value is not None]
        kept = [value for value in line["values"] if value is not None]
        assert (min(kept), max(kept)) == (min(whole), max(whole)), "no extreme is lost"

    await app.services.db.write(store.delete_unasked, times.LATEST_MS)
    monkeypatch.setattr(reading, "MOST_READ", 10)
    sampled = await ask(client, keys, f"path={MAG}")
    assert (len(sampled["times"]), sampled["exact"]) == (10, False)
    assert (sampled["times"][0], sampled["times"][-1]) == (found["times"][0], found["times"][-1])


async def test_only_versions_in_which_it_changed_are_read(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    endpoint = await timelines.endpoint_named(app.services, "quakes")
    bodies = [{"n": n // 10, "at": n, "rates": {"EUR": n // 20, "\ud800": 1e400}} for n in range(40)]
    versions = [
        Version(n * 1000, json.dumps(body).replace("Infinity", "1e400").encode()) for n, body in enumerate(bodies)
    ]
    await timelines.fill(app.services, endpoint, versions)
    await timelines.compute(app.services)
    found = await ask(client, keys, "path=/n")
    assert (len(found["times"]), found["series"][0]["values"]) == (4, [0, 1, 2, 3])
    text = (await client.get(f"{LINE}?path=/rates/*", headers=bearer(keys.project))).text
    assert '"values":[1e400,1e400]' in text, "numbers are written as in the documents"
    assert '"label":"EUR"' in text
    assert "\\ud800" in text
    await timelines.fill(app.services, endpoint, [Version(50_000, b'{"n":7}')])
    assert (await ask(client, keys, "path=/n"))["series"][0]["values"] == [0, 1, 2, 3, 7], "before its delta is there"


def test_thinning_keeps_extremes_in_their_order() -> None:
    values = [b"1", b"9", b"2", None, b"5", b"4", None, None]
    times_of, [line] = series.thinned(range(8), [series.Line("", None, values)], 4)
    assert (list(times_of), line.values) == ([0, 3, 4, 7], [b"1", b"9", b"5", b"4"])
    assert series.thinned(range(8), [line := series.Line("", None, values)], 8) == (list(range(8)), [line])
    assert msgspec.structs.asdict(line)["values"] == values
