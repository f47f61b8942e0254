"""Finding places in the timeline reads little of it, and holds little of what is there."""

from typing import Any

import pytest

from delta_server.core.errors import Conflict
from delta_server.core.json import json_text
from delta_server.features.snapshots import schemas, service, store
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.features.snapshots.store import MAX_TIME_PROBES
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.contents.content_store import ContentStore
from delta_server.storage.contents.rows import Base
from delta_server.storage.idempotency import IdempotencyKey
from delta_server.storage.sqlite.transaction import SqliteTx
from tests.features.history.timelines import Version, endpoint_named, fill
from tests.features.snapshots.shots import batch, envelope


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each statement has answered."""
    counts: list[int] = []
    all_rows, one_row = SqliteTx.all, SqliteTx.one

    def all_noting(tx: SqliteTx, sql: str, *params: Any) -> Any:
        found = all_rows(tx, sql, *params)
        counts.append(len(found))
        return found

    def one_noting(tx: SqliteTx, sql: str, *params: Any) -> Any:
        found = one_row(tx, sql, *params)
        counts.append(found is not None)
        return found

    monkeypatch.setattr(SqliteTx, "all", all_noting)
    monkeypatch.setattr(SqliteTx, "one", one_noting)
    return counts


async def test_back_dated_batches_read_a_few_rows_each(services: Services, rows_read: list[int]) -> None:
    endpoint = await endpoint_named(services, "e")
    await fill(services, endpoint, [Version(10_000 + n, b"[%d]" % n) for n in range(0, 900, 3)])
    rows_read.clear()
    new_snapshots = [NewSnapshot(endpoint, b"[1]", 10_000 + 2 * n) for n in range(300)]
    await service.create_snapshots(services, endpoint.project, new_snapshots, IdempotencyKey.none())
    assert sum(rows_read) < 15 * len(new_snapshots)


async def test_the_next_free_millisecond_however_full_it_is_around(services: Services) -> None:
    endpoint = await endpoint_named(services, "e")
    taken = [*range(100, 100 + MAX_TIME_PROBES), *range(5000, 5000 + MAX_TIME_PROBES - 1)]
    await fill(services, endpoint, [Version(at, b"[]") for at in taken])
    peek = services.db.peek
    for at in (1, 99, 2000, 4999, 9000):
        assert peek(store.free_time, endpoint.id, at) == at
    assert peek(store.free_time, endpoint.id, 101) == 100 + MAX_TIME_PROBES
    assert peek(store.free_time, endpoint.id, 5000) == 5000 + MAX_TIME_PROBES - 1
    with pytest.raises(Conflict, match="milliseconds after it"):
        peek(store.free_time, endpoint.id, 100)


async def test_what_a_batch_cuts_is_read_and_encoded_one_by_one(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a hundred large documents that are cut, one is in memory at a time."""
    endpoint = await endpoint_named(services, "e")
    runs = [Version(1000 * n + at, b"[%d]" % n) for n in range(9) for at in (0, 500)]
    await fill(services, endpoint, runs)
    steps: list[tuple[str, Any]] = []
    read, encode = contents.read, contents.encode_frame

    async def read_noting(store: ContentStore, of: int, content: int) -> bytes:
        steps.append(("read", content))
        return await read(store, of, content)

    def encode_noting(base: Base | None, body: bytes, packs: Any) -> Any:
        steps.append(("encode", base and base.content))
        return encode(base, body, packs)

    monkeypatch.setattr(contents, "read", read_noting)
    monkeypatch.setattr(contents, "encode_frame", encode_noting)
    new_snapshots = [NewSnapshot(endpoint, b"0", 1000 * n + 200) for n in range(9)]
    await service.create_snapshots(services, endpoint.project, new_snapshots, IdempotencyKey.none())
    reads = [number for number, (what, _) in enumerate(steps) if what == "read"]
    assert len(reads) == 9
    assert [steps[number + 1] for number in reads] == [("encode", steps[number][1]) for number in reads]


async def test_an_envelope_is_checked_once(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    check, checked = json_text.check, []

    def check_noting(document: bytes, what: str = "the document") -> None:
        checked.append(what)
        check(document, what)

    monkeypatch.setattr(json_text, "check", check_noting)
    endpoint = await endpoint_named(services, "e")
    items = schemas.decode_many(batch(*[envelope(b"[%d]" % n) for n in range(5)]))
    await service.create_snapshots(
        services, endpoint.project, service.new_snapshots(services, endpoint.project, items), IdempotencyKey.none()
    )
    assert checked == ["the body"]
