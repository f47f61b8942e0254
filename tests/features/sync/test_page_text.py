"""A page made as text, part by part, is what msgspec writes of the whole page at once."""

from base64 import b64encode
from random import Random
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.core import times
from delta_server.features.sync import pulling
from delta_server.features.sync.pulling import Wanted
from delta_server.features.sync.spaces import Whose
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
    monkeypatch.setattr(pulling, "_PART", 7)
    chance = Random(seed)
    for number in range(12):
        clock.advance(chance.randrange(1000))
        sent = [a_change(chance, number * 10 + n, clock.now_ms()) for n in range(10)]
        device = chance.choice(["phone", 'tab"let'])
        body = {"device_id": device, "batch_id": str(number), "mode": "per_record", "changes": sent}
        assert (await client.post(NOTES, json=body, headers=bearer(keys.write))).status_code == 200
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
        assert await pulling.pull_text(svc, whose, "notes", wanted) == msgspec.json.encode(page), wanted
        if not page.has_more:
            return
        wanted = msgspec.structs.replace(wanted, cursor=page.next_cursor, since=None)
