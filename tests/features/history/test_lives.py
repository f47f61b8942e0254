"""The record index beside reading every version: random histories of records whose keys repeat, change and change
their type, stored in any order, cut, with what is indexed in runs, in rows of single deltas, and not yet."""

import random
from typing import Any

import msgspec
import pytest

from delta_server.core.errors import NotFound
from delta_server.core.history import life_runs
from delta_server.features.deltas import computing
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import blaming
from delta_server.features.lives import service as lives
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.contents import maintenance
from tests.features.history import test_blame, test_history, timelines
from tests.features.history.timelines import Version
from tests.often import seeds

DOWN = test_history.DOWN
KEYS: list[Any] = [1, 2, 3, 4, "a", "b"]
ODD_KEYS: list[Any] = ["1", "2", "true", True, 1.5, "1.5", "01", 10, 1, None]
PLACES = [
    *("/rows", "/rows/0", "/rows/1/n", "/title", "/wrapped/rows", "/wrapped"),
    *(f"/rows/[id={key}]" for key in ("1", "1.0", '"1"', "a", "true", '"true"', "1.5", "01", "1e1", "null")),
    *(
        f"/rows/[id={key}]/{name}"
        for key in ("1", "2", '"2"', "b", "10")
        for name in ("n", "id", "tags", "sub", "gone")
    ),
    *(f"/rows/[id=1]/sub/[k={key}]{rest}" for key in ("x", "y", "7") for rest in ("", "/v", "/k")),
    *("/rows/[n=1]/id", "/rows/[n=2,id=1]/tags", "/rows/[id=1,n=2]/sub", "/rows/[id=2]/sub/0/v", "/rows/[id=3]/sub"),
    *("/wrapped/rows/[id=1]/n", "/wrapped/rows/[id=a]/n", "/wrapped/[id=1]/n", "/rows/[id=1]/map/k3", "/map/k3"),
]


def changed(rng: random.Random, document: Any) -> Any:
    """Another version of a document, or a first one."""
    if document is None or rng.random() < 0.02:
        document = {"title": "t", "rows": [], "map": {}, "wrapped": {"rows": []}}
    document = msgspec.json.decode(msgspec.json.encode(document))
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        rng.choice([change_title, change_rows, change_inside, change_inside, change_inside, change_wrapped])(
            rng, document
        )
    return document


def change_title(rng: random.Random, document: Any) -> None:
    document["title"] = rng.choice(["t", "u", "\\ud83d", 'a"b', {"deep": 1}, [1, 2], None])
    document["map"][f"k{rng.randrange(6)}"] = rng.randrange(3)
    if rng.random() < 0.1:
        document["map"] = {f"k{n}": rng.randrange(3) for n in range(80)}


def row(rng: random.Random, keys: list[Any]) -> dict[str, Any]:
    made = {"id": rng.choice(keys), "n": rng.randrange(4), "tags": ["a"], "sub": [], "map": {}}
    if made["id"] is None:
        del made["id"]
    return made


def change_rows(rng: random.Random, document: Any) -> None:
    rows = document["rows"]
    if not isinstance(rows, list) or rng.random() < 0.03:
        document["rows"] = rng.choice([[], {"0": {"n": 1}}, {"[id=1]": {"n": rng.randrange(3)}}, 7])
        return
    for _ in range(rng.randrange(1, 3)):
        if rows and rng.random() < 0.35:
            rows.pop(rng.randrange(len(rows)))
        new = row(rng, KEYS if rng.random() < 0.97 else ODD_KEYS)
        if rng.random() < 0.99:
            rows[:] = [other for other in rows if str(other.get("id")) != str(new.get("id"))]
        rows.insert(rng.randrange(len(rows) + 1), new)
    if rng.random() < 0.2:
        rng.shuffle(rows)


def change_inside(rng: random.Random, document: Any) -> None:
    rows = document["rows"] if isinstance(document["rows"], list) else []
    for each in rng.sample(rows, min(len(rows), rng.choice([1, 1, 2]))):
        what = rng.randrange(6)
        if what == 0:
            each["n"] = rng.choice([1, 1.0, 2, "2", None, "x" * 60, {"a": 1}])
        elif what == 1:
            each["tags"] = rng.sample("abc", rng.randrange(4))
        elif what == 2:
            each["sub"] = [
                {"k": key, "v": rng.randrange(3)} for key in rng.sample(["x", "y", "z", 7, "7"], rng.randrange(5))
            ]
        elif what == 3 and each["sub"]:
            rng.choice(each["sub"])["v"] = rng.randrange(9)
        elif what == 4 and rng.random() < 0.1:
            each["id"] = rng.choice(KEYS)
        else:
            each["gone" if "gone" not in each else "n"] = rng.randrange(3)


def change_wrapped(rng: random.Random, document: Any) -> None:
    document["wrapped"] = rng.choice(
        [
            {"rows": document["rows"]},
            [{"id": 1, "n": rng.randrange(3)}, {"id": 2, "n": 0}],
            {"[id=1]": {"n": rng.randrange(2)}},
            {"rows": [{"id": key, "n": rng.randrange(2)} for key in rng.sample([1, 2, "a", "b"], 3)]},
        ]
    )


def random_rows(rng: random.Random, count: int) -> list[Version]:
    document = None
    versions = []
    for number in range(count):
        document = changed(rng, document)
        body = msgspec.json.encode(document).replace(b"\\\\ud83d", b"\\ud83d")
        versions.append(Version(1000 * (number + 1), body))
    return versions


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few deltas make a run, and runs are cut."""
    monkeypatch.setattr(lives, "FOLDED_FROM", 7)
    monkeypatch.setattr(computing, "QUEUE_PAGE", 8)
    monkeypatch.setattr(life_runs, "MOST_TIMES", 40)


async def same_as_reading(services: Services, endpoint: EndpointRef, rng: random.Random) -> None:
    for path in rng.sample(PLACES, 16):
        wanted = await test_history.told(services, endpoint, path, use_index=False)
        assert test_history.same(await test_history.told(services, endpoint, path), wanted), path
        assert test_history.same(await test_history.told(services, endpoint, path, DOWN, limit=2), wanted[::-1]), path


async def same_blame(services: Services, endpoint: EndpointRef, monkeypatch: pytest.MonkeyPatch) -> None:
    for options in ({}, {"limit": 5}, {"time_ms": 40_500}, {"path": "/rows"}, {"path": "/rows/0"}):
        found = await told_or_nothing(services, endpoint, **options)
        with monkeypatch.context() as patch:
            patch.setattr(blaming, "_plan", lambda tx, way, last: None)
            assert found == await told_or_nothing(services, endpoint, **options), options


async def told_or_nothing(services: Services, endpoint: EndpointRef, path: str = "", **options: Any) -> Any:
    try:
        told = await test_blame.told(services, endpoint, path, **options)
    except NotFound:
        return None
    return {at: (timelines.comparable(value), since) for at, (value, since) in told.items()}


@pytest.mark.parametrize("seed", seeds(3))
async def test_lives_are_those_that_reading_shows(
    services: Services, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    settings: Any = [None, None, None, {"array_keys": {"/rows": ["id"]}}, {"ignore": ["/title"]}][seed % 5]
    endpoint = await timelines.endpoint_named(services, "e", settings)
    versions = random_rows(rng, 80)
    shuffled = versions if seed % 2 else [*versions[:40], *rng.sample(versions[40:], 40)]
    ids = dict(zip(shuffled[:60], await timelines.fill(services, endpoint, shuffled[:60]), strict=True))
    await timelines.compute(services)
    await same_as_reading(services, endpoint, rng)
    await same_blame(services, endpoint, monkeypatch)
    await timelines.fill(services, endpoint, shuffled[60:])
    for version in rng.sample(sorted(ids), 12):
        await snapshots.delete_snapshot(services, endpoint.project, ids.pop(version))
    await maintenance.sweep(services.contents)
    await same_as_reading(services, endpoint, rng)
    await timelines.compute(services)
    await same_as_reading(services, endpoint, rng)
    await same_blame(services, endpoint, monkeypatch)
