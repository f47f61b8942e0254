"""Schemas of event types over HTTP: what was learned from events, as of when, for how long, and what others hear."""

import asyncio
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.errors import Unavailable
from delta_server.core.schemas.samples import Sampled, SampledEvent, learn
from delta_server.features.erasures import tasks as erasures
from delta_server.features.event_schemas import learning, store, tasks
from delta_server.features.event_schemas.learning import Lesson
from delta_server.features.event_schemas.store import Progress
from delta_server.features.projects import tasks as projects
from delta_server.storage import outbox
from delta_server.storage.database import Tx
from delta_server.storage.events.query import samples
from delta_server.tasks.jobs import run_due
from tests.conftest import Keys, bearer, built, client_of, started
from tests.storage.opened import START_MS, FakeClock

DAY_MS = times.DAY_MS
TABLES = ("event_schema", "event_schema_values", "event_schema_change", "event_schema_progress")


def at(minutes: int) -> str:
    return times.format(START_MS + minutes * 60_000)


class Events:
    """Of a project of its own."""

    def __init__(self, app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> None:
        self.app, self.client, self.keys, self.clock = app, client, keys, clock

    async def send(self, *events: dict[str, Any], key: str = "") -> None:
        answer = await self.client.post(
            "/v1/events/batch", json={"events": list(events)}, headers=bearer(key or self.keys.project)
        )
        assert answer.status_code == 200, answer.text

    async def bought(self, *data: Any, minute: int = 0, **fields: Any) -> None:
        self.clock.time_ms = START_MS + minute * 60_000
        await self.send(*({"eventType": "bought", "data": each, **fields} for each in data))

    async def learn(self) -> None:
        await tasks.learn(self.app.services)

    async def seal(self, *, compact: bool = False) -> None:
        await self.app.services.event_maintenance.run_maintenance(seal=True, compact=compact)

    async def get(self, path: str, key: str = "", **query: str) -> httpx.Response:
        headers = bearer(key or self.keys.read)
        return await self.client.get(f"/v1/event-types{path}", params=query, headers=headers)

    async def schema(self, name: str = "bought", **query: str) -> dict[str, Any]:
        answer = await self.get(f"/{name}/schema", **query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def fields(self, name: str = "bought", **query: str) -> dict[str, dict[str, Any]]:
        return {field["path"]: field for field in (await self.schema(name, **query))["fields"]}

    async def said(self) -> list[str]:
        def read(tx: Tx) -> list[str]:
            return [each.body for each in outbox.read(tx, 0, 500) if each.kind == "schema.changed"]

        return await self.app.services.db.read(read)


@pytest.fixture
def events(app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock) -> Events:
    return Events(app, client, keys, clock)


async def test_nothing_is_known_of_nothing(events: Events) -> None:
    assert (await events.get("")).json()["data"] == []
    assert [(await events.get(f"/bought/schema{rest}")).status_code for rest in ("", "/changes")] == [404, 404]
    await events.bought({"a": 1})
    await events.learn()
    for query in ({"at": "soon"}, {"format": "xml"}, {"limit": "0"}):
        assert (await events.get("/bought/schema", **query)).status_code == 400, query
    for path in ("", "/bought/schema/changes"):
        assert (await events.get(path, cursor="x")).status_code == 400
    assert (await events.get("/bought/schema", at="2020-01-01")).status_code == 404
    assert (await events.get("", key=events.keys.ingest)).status_code == 403
    assert (await events.get("", key=events.keys.other)).json()["data"] == []
    for path in ("/bought/schema", "/bought/schema/changes"):
        assert (await events.get(path, key=events.keys.other)).status_code == 404


@pytest.mark.parametrize("sealed", [False, True])
async def test_two_types_with_their_history(events: Events, sealed: bool) -> None:
    await events.bought({"sku": "a", "price": 1}, {"sku": "b", "price": 2.5}, status="ok")
    await events.send({"eventType": "GET /a%2Fb", "metadata": {"os": "ios"}, "tags": ["x"]})
    if sealed:
        await events.seal()
    await events.learn()
    await events.bought({"sku": "c", "price": None, "mail": "ann@example.com"}, minute=2, status="ok")
    assert (await events.schema())["is_behind"]
    if sealed:
        await events.seal()
    await events.learn()

    answer = await events.schema()
    assert (answer["events"], answer["learned_until"], answer["changes"]) == (3, at(2), 2)
    assert (answer["is_behind"], answer["complete"]) == (False, True)
    found = {field["path"]: field for field in answer["fields"]}
    assert list(found) == ["", "/data", "/data/mail", "/data/price", "/data/sku", "/status"]
    price, mail = found["/data/price"], found["/data/mail"]
    assert (price["types"], price["nullable"], price["changed_at"]) == (["number"], True, at(2))
    assert (price["minimum"], price["maximum"]) == (1, 2.5)
    assert (mail["format"], mail["optional"], mail["examples"]) == ("email", True, ["ann@example.com"])
    other = await events.fields("GET%20%2Fa%252Fb")
    assert list(other) == ["", "/metadata", "/metadata/os", "/tags", "/tags/*"]

    then = await events.fields(at=at(1))
    assert (then["/data/price"]["nullable"], "/data/mail" in then) == (False, False)
    assert (then["/data/price"]["minimum"], then["/data/sku"]["examples"]) == (None, [])
    page = (await events.get("/bought/schema/changes", limit="1")).json()
    assert [(each["changed_at"], each["level"], each["count"]) for each in page["data"]] == [(at(2), "breaking", 2)]
    page = (await events.get("/bought/schema/changes", cursor=page["next_cursor"])).json()
    assert [(each["changed_at"], each["level"], each["changes"]) for each in page["data"]] == [(at(0), None, [])]
    [said] = await events.said()
    assert said.startswith('{"event_type":"bought","schema":{"level":"breaking","changed_at":"' + at(2))

    names: list[str] = []
    cursor = {"limit": "1"}
    while cursor:
        page = (await events.get("", **cursor)).json()
        names += [each["event_type"] for each in page["data"]]
        cursor = {"limit": "1", "cursor": page["next_cursor"]} if page["has_more"] else {}
    assert names == ["GET /a%2Fb", "bought"]


async def test_formats(events: Events) -> None:
    await events.bought(*({"n": n, "plan": "pro" if n else "free"} for n in range(20)))
    await events.learn()
    as_schema = await events.get("/bought/schema", format="json-schema")
    assert as_schema.headers["content-type"] == "application/schema+json"
    assert as_schema.json()["properties"]["data"]["properties"] == {
        "n": {"type": "integer", "minimum": 0, "maximum": 19},
        "plan": {"type": "string", "enum": ["free", "pro"]},
    }
    typescript = (await events.get("/bought/schema", format="typescript")).text
    assert typescript == 'export type Bought = {\n  data: {\n    n: number;\n    plan: "free" | "pro";\n  };\n};\n'
    assert "class BoughtData(msgspec.Struct" in (await events.get("/bought/schema", format="python")).text
    then = (await events.get("/bought/schema", at="now", format="typescript")).text
    assert "plan: string;" in then  # values are known of now alone


async def test_each_event_is_looked_at_once(events: Events, config: Config, clock: FakeClock) -> None:
    """Waiting, sealed, merged with others, and after a restart."""
    await events.bought({"a": 1})
    await events.learn()
    for number in range(5):
        await events.bought({"a": number})
        await events.seal()
        if number == 3:
            await events.seal(compact=True)
    await events.learn()
    assert (await events.schema())["events"] == 6
    await events.seal(compact=True)
    await events.learn()
    assert (await events.schema())["events"] == 6


async def test_a_restart_goes_on(config: Config, clock: FakeClock) -> None:
    async with started(built(config, clock)) as app, client_of(app) as client:
        from tests.conftest import make_keys

        keys = await make_keys(app.services, clock)
        first = Events(app, client, keys, clock)
        await first.bought({"a": 1})
        await first.learn()
        await first.bought({"a": "x"})
    async with started(built(config, clock)) as app, client_of(app) as client:
        then = Events(app, client, keys, clock)
        await then.learn()
        assert ((await then.schema())["events"], len(await then.said())) == (2, 1)


async def test_a_crash_before_its_place_is_stored_says_nothing_twice(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    await events.bought({"a": 1})
    await events.learn()
    await events.bought({"a": "x"})

    def crash(*_: Any) -> bool:
        raise Unavailable("the server was killed")

    with monkeypatch.context() as patch:
        patch.setattr(learning, "_reach", crash)
        await events.learn()
    assert (await events.schema())["changes"] == 2
    await events.learn()
    assert ((await events.schema())["changes"], len(await events.said())) == (2, 1)


async def test_types_and_changes_are_bounded(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_TYPES", 3)
    monkeypatch.setattr(store, "MOST_CHANGES", 2)
    monkeypatch.setattr(learning, "TYPES_AT_ONCE", 1)
    await events.send(*({"eventType": f"type {n}"} for n in range(3)))
    await events.learn()
    await events.send(*({"eventType": f"type {n}"} for n in range(9)))
    await events.learn()
    listed = (await events.get("")).json()["data"]
    assert [(each["event_type"], each["events"]) for each in listed] == [(f"type {n}", 2) for n in range(3)]
    for number in range(4):
        await events.send({"eventType": "type 0", "data": {f"f{number}": 1}})
        await events.learn()
    changes = (await events.get("/type 0/schema/changes")).json()["data"]
    assert [each["changes"][0]["path"] for each in changes] == ["/data/f3", "/data/f2"]
    monkeypatch.setattr(tasks, "HISTORY_BYTES", 0)
    await tasks.expire(events.app.services)
    changes = (await events.get("/type 0/schema/changes")).json()["data"]
    assert [each["changes"][0]["path"] for each in changes] == ["/data/f3"]


async def test_a_sample_is_bounded_and_begins_with_each_type(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "OF_A_TYPE", 5)
    monkeypatch.setattr(learning, "OF_ALL", 7)
    await events.bought(*({"n": n} for n in range(50)))
    await events.send(*({"eventType": name} for name in ("a", "b")))
    await events.learn()
    listed = (await events.get("")).json()["data"]
    assert {each["event_type"]: each["events"] for each in listed} == {"a": 1, "b": 1, "bought": 5}


async def test_many_waiting_events_are_looked_at_once_they_are_sealed(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "WAITING_BYTES", 0)
    await events.bought({"n": 1})
    await events.learn()
    assert (await events.get("")).json()["data"] == []
    await events.seal()
    await events.learn()
    await events.bought({"n": 2})
    await events.seal()
    await events.seal(compact=True)
    await events.learn()
    assert (await events.schema())["events"] == 2


async def test_files_are_looked_at_some_at_a_time(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "FILES_EVENTS", 1)
    for number in range(3):
        await events.bought({f"f{number}": number})
        await events.seal()
    await events.learn()
    assert list(await events.fields()) == ["", "/data", "/data/f0", "/data/f1", "/data/f2"]
    assert not (await events.schema())["is_behind"]


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        (b'{"a":"\\ud83d"}', ["/data/a"]),
        (b'{"' + b"x" * 65 + b'":1,"ann@example.com":2}', ["/data/*"]),
        (b'{"a":' + b"[" * 90 + b"]" * 90 + b"}", None),
        (b'{"a":1e400,"b":' + b"9" * 400 + b"}", ["/data/a", "/data/b"]),
        (b'{"":{"":null}}', ["/data/", "/data//"]),
        (b"{" + b",".join(b'"f%d":1' % n for n in range(300)) + b"}", ["/data/*"]),
    ],
)
async def test_odd_events(events: Events, data: bytes, paths: list[str] | None) -> None:
    answer = await events.client.post(
        "/v1/events",
        content=b'{"eventType":"bought","data":%b}' % data,
        headers={**bearer(events.keys.project), "content-type": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    await events.learn()
    found = list(await events.fields())
    assert found[:2] == ["", "/data"]
    assert paths is None or found[2:] == paths
    for format in ("json-schema", "typescript", "python"):
        assert (await events.get("/bought/schema", format=format)).status_code == 200


async def test_late_events_are_no_news(events: Events) -> None:
    await events.bought({"a": 1})
    await events.learn()
    await events.bought({"a": "x"}, timestamp=times.format(START_MS - 2 * DAY_MS))
    await events.learn()
    assert ((await events.schema())["changes"], await events.said()) == (2, [])


async def test_an_erasure_takes_values_with_it(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields stay. What was read before it is not stored after it."""
    await events.bought({"mail": "ann@example.com", "n": 99}, userId="ann")
    await events.bought({"mail": "bob@example.com", "n": 1}, userId="bob")
    await events.learn()
    assert (await events.fields())["/data/mail"]["examples"] == ["ann@example.com", "bob@example.com"]
    await events.bought({"mail": "ann@example.org", "n": 100}, userId="ann")
    reading, go_on = asyncio.Event(), asyncio.Event()
    sample = learning._sample

    async def halting(*args: Any) -> Any:
        rows = await sample(*args)
        reading.set()
        await go_on.wait()
        return rows

    monkeypatch.setattr(learning, "_sample", halting)
    learned = asyncio.create_task(events.learn())
    await reading.wait()
    answer = await events.client.delete("/v1/users/ann", headers=bearer(events.keys.project))
    assert answer.status_code == 202
    while (await events.client.get(answer.headers["location"], headers=bearer(events.keys.read))).json()["erasure"][
        "state"
    ] != "done":
        await run_due(events.app.services, erasures.JOB)
        await asyncio.sleep(0)
    mail = (await events.fields())["/data/mail"]
    assert (mail["format"], mail["examples"]) == ("email", [])
    go_on.set()
    await learned
    await events.learn()
    found = await events.fields()
    assert (found["/data/mail"]["examples"], found["/data/n"]["maximum"]) == (["bob@example.com"], 1)
    schema = await events.schema()
    assert (schema["events"], schema["changes"], await events.said()) == (1, 1, [])


async def test_values_and_types_go_with_the_events(events: Events) -> None:
    answer = await events.client.put(
        "/v1/events/retention", json={"days": 8, "types": {"kept": 0}}, headers=bearer(events.keys.project)
    )
    assert answer.status_code == 200, answer.text
    old, recent = times.format(START_MS - 7 * DAY_MS), times.format(START_MS - DAY_MS)
    await events.bought({"code": "old"}, timestamp=old)  # in the last quarter of its retention
    await events.bought({"code": "new"}, timestamp=recent)
    await events.send({"eventType": "kept", "data": {"code": "x"}}, {"eventType": "gone", "timestamp": recent})
    await events.learn()
    assert (await events.fields())["/data/code"]["examples"] == ["new"]
    svc = events.app.services
    events.clock.advance(6 * DAY_MS)
    await tasks.expire(svc)
    assert (await events.fields())["/data/code"]["examples"] == ["new"]
    events.clock.advance(2 * DAY_MS)
    await events.bought({"code": "newer"}, minute=8 * 24 * 60)
    await events.learn()
    await tasks.expire(svc)
    assert (await events.fields())["/data/code"]["examples"] == []
    await events.learn()
    assert (await events.fields())["/data/code"]["examples"] == ["newer"]
    assert (await events.fields("kept"))["/data/code"]["examples"] == ["x"]
    assert [each["event_type"] for each in (await events.get("")).json()["data"]] == ["bought", "kept"]


async def test_a_type_that_goes_while_it_is_learned_from_begins_anew(events: Events) -> None:
    await events.bought({"a": 1})
    await events.learn()

    def learn_late(tx: Tx) -> None:
        """With what was known before, in whose row there is another type by now."""
        [(known, values)] = learning._known(tx, 1, ["bought"])
        store.delete_type(tx, 1, known.id)
        [(new, _)] = learning._known(tx, 1, ["new"])
        for schema, of in ((new, None), (known, values)):
            event = SampledEvent(1, START_MS, START_MS, None, None, None, None, None, '{"b":1}', None)
            sampled = Sampled([event], schema.shape or None, of.shape if of else None, times.EARLIEST_MS)
            learning._store(tx, 1, store.progress(tx, 1), [Lesson(schema, of, sampled, learn(sampled))])

    await events.app.services.db.write(learn_late)
    assert list(await events.fields("new")) == ["", "/data", "/data/b"]
    assert list(await events.fields()) == ["", "/data", "/data/a", "/data/b"]
    listed = (await events.get("")).json()["data"]
    assert [(each["event_type"], each["changes"]) for each in listed] == [("bought", 1), ("new", 1)]


async def test_a_project_that_goes_is_not_tried_again(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    await events.bought({"a": 1})
    sample = learning._sample

    async def deleting(*args: Any) -> Any:
        rows = await sample(*args)
        answer = await events.client.delete("/v1/projects/mine", headers=bearer(events.keys.account))
        assert answer.status_code == 204, answer.text
        return rows

    monkeypatch.setattr(learning, "_sample", deleting)
    await events.learn()
    assert await events.app.services.db.read(store.count, 1) == 0


async def test_goes_with_its_project(events: Events) -> None:
    await events.bought({"a": 1})
    await events.learn()
    await events.send({"eventType": "theirs"}, key=events.keys.other)
    await events.learn()
    answer = await events.client.delete("/v1/projects/mine?purge=true", headers=bearer(events.keys.account))
    assert answer.status_code == 204, answer.text
    await projects.remove_deleted(events.app.services)

    def left(tx: Tx) -> list[int]:
        return [tx.all(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES]

    assert await events.app.services.db.read(left) == [1, 1, 1, 1]


async def test_one_project_that_fails_does_not_hold_up_others(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    await events.bought({"a": 1})
    await events.send({"eventType": "theirs"}, key=events.keys.other)
    learn_part = learning.learn_part

    async def failing(svc: Any, project: int) -> bool:
        if project == 1:
            raise Unavailable("the disk is full")
        return await learn_part(svc, project)

    monkeypatch.setattr(learning, "learn_part", failing)
    await events.learn()
    assert [len((await events.get("", key=key)).json()["data"]) for key in (events.keys.read, events.keys.other)] == [
        0,
        1,
    ]


async def test_the_stream_tells_of_the_types_that_are_asked_for(events: Events) -> None:
    from delta_server.features.stream.frames import of_happening
    from delta_server.features.stream.happenings import WantedHappenings

    frame = of_happening(1, "schema.changed", START_MS, b'{"event_type":"bought","schema":{}}')
    assert (frame.topic, frame.event_type) == ("schemas", "bought")
    of_endpoint = of_happening(1, "schema.changed", START_MS, b'{"endpoint":{"id":"e"},"schema":{}}')
    topics = frozenset({"schemas"})
    for wanted, expected in (
        (WantedHappenings(topics), (True, True)),
        (WantedHappenings(topics, types=frozenset({"bought"})), (True, True)),
        (WantedHappenings(topics, types=frozenset({"sold"})), (False, True)),
        (WantedHappenings(topics, endpoints=frozenset({"e"})), (False, True)),
    ):
        assert (wanted.holds(frame), wanted.holds(of_endpoint)) == expected, wanted
    for query in ("topics=deltas&eventType=a", "topics=schemas&source=a"):
        answer = await events.client.get(f"/v1/stream?{query}", headers=bearer(events.keys.read))
        assert answer.status_code == 400, query


async def test_off(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    import msgspec

    svc = events.app.services
    config = msgspec.structs.replace(svc.config, schemas=msgspec.structs.replace(svc.config.schemas, inference=False))
    await events.bought({"a": 1})
    await tasks.learn(msgspec.structs.replace(svc, config=config))
    assert (await events.get("")).json()["data"] == []
    assert await svc.db.read(store.progress, 1) == Progress()
