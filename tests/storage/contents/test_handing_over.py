"""What is handed over is what `read_run` reads, and a pack goes once while it is held."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from delta_server.core.errors import NotFound
from delta_server.core.packs.handed_pack import HeldPacks, OpenPack
from delta_server.storage.contents import contents, maintenance
from delta_server.storage.contents.contents import ContentStore, PackedRun
from tests.storage.contents.opened import append, documents, fresh_cache, new_endpoint, opened

HISTORY = documents(60)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ContentStore]:
    async with opened(tmp_path) as store:
        yield store


class Taker:
    """As the other process does it."""

    def __init__(self) -> None:
        self.held = HeldPacks[OpenPack]()
        self.bodies: list[tuple[int, bytes]] = []
        self.packs: list[int] = []

    def take(self, run: PackedRun | tuple[int, bytes]) -> None:
        if isinstance(run, tuple):
            self.bodies.append(run)
            return
        if run.handed is not None:
            self.packs.append(run.pack)
            self.held.hold(run.pack, OpenPack(run.handed))
        pack = self.held.get(run.pack)
        assert pack is not None
        for each in run.contents:
            assert each.position is not None
            self.bodies.append((each.id, pack.content(each.position, each.size, each.hash)))


async def taken(store: ContentStore, endpoint: int, *runs: Sequence[int]) -> Taker:
    taker, held = Taker(), HeldPacks[bool]()
    for run in runs:
        async for each in contents.hand_over_run(store, endpoint, run, held):
            taker.take(each)
    assert taker.bodies == [each for run in runs for each in [(content, HISTORY[content - 1]) for content in run]]
    return taker


async def stored(store: ContentStore, endpoint: int) -> list[int]:
    """48 in four packs, the others in frames."""
    ids = [await append(store, endpoint, at, HISTORY[at]) for at in range(48)]
    await maintenance.pack(store)
    ids += [await append(store, endpoint, at, HISTORY[at]) for at in range(48, 60)]
    assert ids == list(range(1, 61))
    return ids


async def test_what_is_gone_or_anothers_is_not_found(store: ContentStore) -> None:
    endpoint, other = await new_endpoint(store), await new_endpoint(store, "other")
    ids = await stored(store, endpoint)
    for of, wanted in ((endpoint, [*ids, 999]), (other, ids[:1]), (other, ids[-1:])):
        with pytest.raises(NotFound):
            await taken(store, of, wanted)


@pytest.mark.parametrize("limit_bytes", [1, 1 << 20], ids=["nothing cached", "everything cached"])
async def test_each_pack_goes_once_while_it_is_held(store: ContentStore, limit_bytes: int) -> None:
    endpoint = await new_endpoint(store)
    ids = await stored(store, endpoint)
    store = fresh_cache(store, limit_bytes)
    assert len((await taken(store, endpoint, ids)).packs) == 4
    assert len((await taken(store, endpoint, ids[:5], ids[5:20], ids[20:])).packs) == 4
    between = [content for pair in zip(ids[:12], ids[12:24], strict=True) for content in pair]
    assert len((await taken(store, endpoint, between)).packs) == 2
    assert len((await taken(store, endpoint, ids[::-1], ids[::7], [])).packs) > 4


async def test_a_pack_that_is_gone_is_read_where_its_contents_are(
    store: ContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = await new_endpoint(store)
    ids = await stored(store, endpoint)

    async def packed_anew(*_: object) -> None:
        return None

    monkeypatch.setattr("delta_server.storage.contents.handing_over._handed", packed_anew)
    assert (await taken(store, endpoint, ids)).packs == []
