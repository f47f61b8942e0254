"""A page put together of texts is what msgspec writes of the whole page at once, whether they were known or not."""

import asyncio
import threading
from base64 import b64encode
from random import Random
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.features.sync import page_texts, pulling, store
from delta_server.features.sync.forgetting.deleting import delete_of_project
from delta_server.features.sync.known_texts import OF_EACH_BYTES, OVERHEAD_BYTES, KnownTexts, Stretch, joined, of_texts
from delta_server.features.sync.pulling import Wanted
from delta_server.features.sync.spaces import Known, Whose
from delta_server.services import Services
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer
from tests.features.sync.test_push_pull import NOTES
from tests.often import seeds
from tests.storage.opened import FakeClock

LETTERS = ["a", '"', "\\", "\n", "\x00", "\x1f", "\x7f", "/", "é", "\u2028", "😀"]


def a_change(chance: Random, number: int, now_ms: int) -> dict[str, Any]:
    record_id = "".join(chance.choices(LETTERS, k=chance.randrange(1, 4)))
    change: dict[str, Any] = {"change_id": str(number), "record_id": record_id, "operation": "update"}
    what = chance.randrange(4)
    if what == 0:
        change["operation"] = "delete"
    elif what == 1:
        change["encrypted"] = b64encode(chance.randbytes(chance.randrange(5))).decode()
    else:
        change["data"] = "".join(chance.choices(LETTERS, k=chance.randrange(20)))
    if chance.random() < 0.5:
        change["updated_at"] = times.format(now_ms - chance.randrange(1 << 40))
    return change


@pytest.mark.parametrize("seed", seeds(2))
async def test_it_is_what_the_page_is(
    app: Application,
    client: httpx.AsyncClient,
    keys: Keys,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    monkeypatch.setattr(pulling, "PART", 7)
    chance = Random(seed)
    for number in range(12):
        clock.advance(chance.randrange(1000))
        sent = [a_change(chance, number * 10 + n, clock.now_ms()) for n in range(10)]
        device = chance.choice(["phone", 'tab"let'])
        body = {"device_id": device, "batch_id": str(number), "mode": "per_record", "changes": sent}
        assert (await client.post(NOTES, json=body, headers=bearer(keys.write))).status_code == 200
        for _ in range(chance.randrange(3)):
            wanted = Wanted(limit=chance.choice([3, 20, 1000]))
            monkeypatch.setattr(pulling, "PAGE_BYTES", chance.choice([1 << 20, 100]))
            await same(app.services, Whose(1, ""), wanted, clock)
    monkeypatch.setattr(pulling, "PAGE_BYTES", 1 << 20)
    svc, whose = app.services, Whose(1, "")
    last_ms = clock.now_ms()
    for _ in range(20):
        wanted = Wanted(
            since=chance.choice([None, times.format(last_ms - chance.randrange(9000))]),
            limit=chance.choice([1, 6, 7, 8, 14, 1000]),
            exclude_device=chance.choice([None, "phone", "nobody"]),
            view=chance.choice([None, "ordered", "split"]),
            deletions_only=chance.random() < 0.3,
        )
        await same(svc, whose, wanted, clock)


async def same(svc: Services, whose: Whose, wanted: Wanted, clock: FakeClock) -> None:
    """On each page, from the first one on."""
    while True:
        clock.advance(times.DAY_MS)  # so that it is not asked too often
        page = await pulling.pull(svc, whose, "notes", wanted)
        assert await page_texts.pull_text(svc, whose, "notes", wanted) == msgspec.json.encode(page), wanted
        if not page.has_more:
            return
        wanted = msgspec.structs.replace(wanted, cursor=page.next_cursor, since=None)


async def test_a_space_made_anew_shows_nothing_of_the_one_before(
    app: Application, client: httpx.AsyncClient, keys: Keys, clock: FakeClock
) -> None:
    svc, whose = app.services, Whose(1, "")
    for content in ("before", "after"):
        change = {"change_id": content, "record_id": "r", "operation": "insert", "data": content}
        body = {"device_id": "phone", "batch_id": content, "changes": [change]}
        assert (await client.post(NOTES, json=body, headers=bearer(keys.write))).status_code == 200
        for _ in range(2):
            page = msgspec.json.decode(await page_texts.pull_text(svc, whose, "notes", Wanted()))
            assert [(record["version"], record["data"]) for record in page["changes"]] == [(1, content)]
        while await svc.db.write(delete_of_project, 1, 100):
            pass
        svc.state(Known).forget_all()
        clock.advance(1)


async def test_a_reader_of_an_older_state_shows_nothing_newer(
    app: Application, client: httpx.AsyncClient, keys: Keys
) -> None:
    """Its numbers are as many, of other versions: what others made known meanwhile does not fit."""
    svc, whose = app.services, Whose(1, "")
    for number in range(3):
        await push_record(client, keys, number, f"r{number}")
    begun = pulling.begin(svc, whose, "notes", Wanted())
    has_begun, may_go_on = threading.Event(), threading.Event()

    def read(tx: Tx) -> tuple[bytes, list[int]]:
        tx.all("SELECT seq FROM sync_change")
        has_begun.set()
        assert may_go_on.wait(30)
        assert begun.space is not None
        assert begun.collection is not None
        found = page_texts._read(tx, begun, begun.space, begun.collection.id, svc.state(KnownTexts))
        return found, [seq for (seq,) in tx.all("SELECT seq FROM sync_change WHERE superseded_by IS NULL")]

    reading = asyncio.create_task(svc.db.read(read))
    await asyncio.to_thread(has_begun.wait, 30)
    await push_record(client, keys, 3, "r1")
    await push_record(client, keys, 4, "r1")
    assert versions(await page_texts.pull_text(svc, whose, "notes", Wanted())) == [1, 3, 5]
    may_go_on.set()
    page, heads = await reading
    assert versions(page) == heads == [1, 2, 3]
    assert versions(await page_texts.pull_text(svc, whose, "notes", Wanted())) == [1, 3, 5]


async def test_what_was_pushed_is_pulled_without_reading_its_rows(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "heads_after", lambda *_: pytest.fail("rows are read"))
    for number, record in enumerate("abcb"):
        await push_record(client, keys, number, record)
    assert versions(await page_texts.pull_text(app.services, Whose(1, ""), "notes", Wanted())) == [1, 3, 4]


async def push_record(client: httpx.AsyncClient, keys: Keys, number: int, record_id: str) -> None:
    change = {"change_id": str(number), "record_id": record_id, "operation": "update", "data": number}
    body = {"device_id": "phone", "batch_id": str(number), "changes": [change]}
    assert (await client.post(NOTES, json=body, headers=bearer(keys.write))).status_code == 200


def versions(page: bytes) -> list[int]:
    return [record["version"] for record in msgspec.json.decode(page)["changes"]]


def test_known_texts_are_bounded() -> None:
    known = KnownTexts(8000)
    for collection in range(4):
        known.add(collection, [stretch(0, 1300)])
    assert [len(known.of(collection)) for collection in range(4)] == [0, 1, 1, 1]
    known.add(1, [stretch(1, 300)])
    assert [len(known.of(collection)) for collection in range(4)] == [0, 2, 0, 1], "the last used stay"
    known.add(1, [stretch(2, 6000)])
    assert [each.after for each in known.of(1)] == [2], "what is too much of one begins anew"
    assert known.size_bytes == known.of(1)[0].size_bytes == 6000 + OVERHEAD_BYTES + OF_EACH_BYTES
    known.add(1, [stretch(3, 8000)])
    assert (known.size_bytes, known.of(1)) == (0, ())


def stretch(after: int, size_bytes: int = 1, until: int | None = None) -> Stretch:
    """Of one record."""
    return of_texts(after, until or after + 1, [after + 1], [b"x" * size_bytes], [1])


STRETCHES: list[tuple[str, list[Stretch], list[tuple[int, int]]]] = [
    ("those behind stay", [stretch(0)], [(0, 1), (1, 2), (2, 3)]),
    ("it takes the place of what was there", [stretch(0, until=2)], [(0, 2), (2, 3)]),
    ("and of what overlaps", [of_texts(1, 2, [2], [b"x"], [1]), stretch(2, until=9)], [(0, 1), (1, 2), (2, 9)]),
    ("nothing was made", [], [(0, 1), (1, 2), (2, 3)]),
]


@pytest.mark.parametrize(("made", "expected"), [row[1:] for row in STRETCHES], ids=[row[0] for row in STRETCHES])
def test_stretches_do_not_overlap(made: list[Stretch], expected: list[tuple[int, int]]) -> None:
    known = KnownTexts()
    known.add("notes", [stretch(0), stretch(1), stretch(2)])
    known.add("notes", made)
    assert [(each.after, each.until) for each in known.of("notes")] == expected


EXTENDED: list[tuple[str, int, list[Stretch], list[tuple[int, int, int]]]] = [
    ("it follows", 2, [stretch(2)], [(0, 3, 3)]),
    ("numbers between are of other collections", 2, [stretch(7)], [(0, 8, 3)]),
    ("what lies between is not known", 5, [stretch(7)], [(0, 2, 2), (7, 8, 1)]),
    ("a pull was faster", 1, [stretch(1)], [(0, 2, 2)]),
    ("no more than four in one", 2, [stretch(2), stretch(3), stretch(4)], [(0, 4, 4), (4, 5, 1)]),
]


@pytest.mark.parametrize(
    ("newest", "made", "expected"), [row[1:] for row in EXTENDED], ids=[row[0] for row in EXTENDED]
)
def test_stretches_are_extended(newest: int, made: list[Stretch], expected: list[tuple[int, int, int]]) -> None:
    known = KnownTexts()
    known.extend("notes", 0, [stretch(0)], 4)
    known.extend("notes", 1, [stretch(1)], 4)
    known.extend("notes", newest, made, 4)
    assert [(each.after, each.until, len(each.numbers)) for each in known.of("notes")] == expected
    assert known.size_bytes == sum(each.size_bytes for each in known.of("notes"))


def test_a_stretch_of_some_of_its_records() -> None:
    whole = of_texts(0, 9, [2, 4, 6, 8], [b"two", b"", b"six", b"eight"], [2, 0, 3, 5], frozenset([4, 8]))
    assert whole.text == b"two,,six,eight"
    some = whole.with_only({4, 8}, 0, 9)
    assert (some.text, [*some.numbers], [*some.ends], some.deletions) == (b",eight", [4, 8], [0, 6], frozenset([4, 8]))
    assert [*some.contents] == [0, 5]
    first = whole.first(3)
    assert (first.text, first.until, first.deletions) == (b"two,,six", 6, frozenset([4]))
    assert whole.with_only((), 0, 9).text == whole.first(0).text == b""
    apart = [whole.first(1), whole.with_only({4, 6, 8}, 2, 9)]
    assert joined(apart, 4) == [whole]
    assert joined(apart, 3) == apart
    nothing = whole.with_only((), 9, 12)
    assert [(each.until, each.text) for each in joined([whole, nothing], 4)] == [(12, whole.text)]
