"""A page put together of texts is what msgspec writes of the whole page at once, whether they were known or not."""

from base64 import b64encode
from random import Random
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.features.sync import page_texts, pulling
from delta_server.features.sync.forgetting.deleting import delete_of_project
from delta_server.features.sync.known_texts import KnownTexts, Texts
from delta_server.features.sync.pulling import Wanted
from delta_server.features.sync.spaces import Known, Whose
from delta_server.services import Services
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
        await same(app.services, Whose(1, ""), Wanted(limit=chance.choice([3, 20, 1000])), clock)
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


def test_known_texts_are_bounded() -> None:
    known = KnownTexts(1000)
    for collection in range(5):
        known.add(collection, texts_of(300))
    assert [len(known.of(collection).by_number) for collection in range(5)] == [0, 0, 1, 1, 1]
    known.add(2, texts_of(100))
    known.add(5, texts_of(300))
    assert [len(known.of(collection).by_number) for collection in range(6)] == [0, 0, 2, 0, 1, 1], "the last used stay"
    known.add(2, texts_of(900))
    assert (known.of(2).size_bytes, known.size_bytes) == (900, 900), "what is too much of one begins anew"
    known.add(2, texts_of(1001))
    assert known.size_bytes == 0


def texts_of(size_bytes: int) -> Texts:
    texts = Texts()
    texts.by_number[size_bytes] = b""
    texts.size_bytes = size_bytes
    return texts
