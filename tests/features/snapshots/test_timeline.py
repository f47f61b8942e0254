"""The timeline against a plain list: snapshots in any order of time, deletes, cuts, with sweeps between."""

import random
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

import msgspec
import pytest

from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.ids import text as text_id
from delta_server.features.accounts import service as accounts
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas.service import DeltaFilter
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.projects import service as projects
from delta_server.features.snapshots import service, timeline
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import Services
from delta_server.storage.contents import maintenance
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey
from tests.often import seeds

DOCUMENTS = [msgspec.json.encode({"value": value, "filler": list(range(50))}) for value in range(3)]
ALL_KINDS = DeltaFilter(kinds=frozenset({"content", "reorder", "format", "ignored"}))


class Kept(NamedTuple):
    captured_at: int
    body: bytes
    id: str


class Model(list[Kept]):
    """What the timeline should hold, in its order."""

    def runs(self) -> list[list[Kept]]:
        return [list(run) for _, run in groupby(self, key=attrgetter("body"))]


def _endpoint(tx: Tx, name: str) -> EndpointRef:
    return endpoints.ensure(tx, projects.ensure(tx, accounts.default_account(tx), "p").id, name)


async def _append(svc: Services, endpoint: EndpointRef, model: Model, new_snapshots: list[tuple[int, bytes]]) -> None:
    wanted = [NewSnapshot(endpoint, body, at) for at, body in new_snapshots]
    appended = await service.create_snapshots(svc, endpoint.project, wanted, IdempotencyKey.none())
    last = 0
    for number in sorted(range(len(new_snapshots)), key=lambda n: (new_snapshots[n][0], n)):
        at, body = new_snapshots[number]
        at = max(at, last + 1)
        while at in {row.captured_at for row in model}:
            at += 1
        model.append(Kept(at, body, appended.ids[number]))
        last = at
    model.sort()


async def _step(svc: Services, endpoint: EndpointRef, model: Model, rng: random.Random) -> None:
    action = rng.random()
    if action < 0.55:
        await _append(svc, endpoint, model, [(rng.randrange(1, 40) * 1000, rng.choice(DOCUMENTS))])
    elif action < 0.75:
        batch = [(rng.randrange(1, 40) * 1000, rng.choice(DOCUMENTS)) for _ in range(rng.randrange(2, 6))]
        await _append(svc, endpoint, model, batch)
    elif action < 0.9 and model:
        row = model.pop(rng.randrange(len(model)))
        await service.delete_snapshot(svc, endpoint.project, row.id)
    elif action < 0.94:
        before = rng.randrange(1, 20) * 1000
        await svc.db.write(timeline.cut_before, endpoint.id, before, 1000)
        model[:] = [row for row in model if row.captured_at >= before]
    elif action < 0.97:
        await maintenance.sweep(svc.contents)
    else:
        await deltas.compute_queued(svc)


async def _check(svc: Services, endpoint: EndpointRef, model: Model) -> None:
    rows = await service.list_snapshots(
        svc, endpoint.project, endpoint, TimelineSpan(descending=False), limit=1000, changed_only=False
    )
    assert [Kept(row.captured_at, await service.read_document(svc, row), text_id(row.uid)) for row in rows] == model
    runs = model.runs()
    unchanged = [row.unchanged for row in rows]
    assert unchanged == [n > 0 for run in runs for n in range(len(run))]
    changed = await service.list_snapshots(
        svc, endpoint.project, endpoint, TimelineSpan(), limit=1000, changed_only=True
    )
    assert [row.uid for row in changed] == [row.uid for row in rows if not row.unchanged][::-1]


async def _check_deltas(svc: Services, endpoint: EndpointRef, model: Model) -> None:
    while await deltas.compute_queued(svc):
        pass
    found = await deltas.page(
        svc, endpoint.project, endpoint, TimelineSpan(descending=False), limit=1000, filter=ALL_KINDS
    )
    runs = model.runs()
    assert [(d.from_snapshot_id, d.to_snapshot_id) for d in found.deltas] == [
        (before[-1].id, after[0].id) for before, after in pairwise(runs)
    ]
    assert all(d.kind == "content" and [f.path for f in d.fields] == ["/value"] for d in found.deltas)
    counted = svc.db.peek(lambda tx: tx.one("SELECT content_deltas FROM endpoint WHERE id = ?", endpoint.id))
    indexed = svc.db.peek(
        lambda tx: tx.one("SELECT COALESCE(SUM(deltas), 0) FROM field WHERE endpoint = ?", endpoint.id)
    )
    assert counted == indexed == (max(0, len(runs) - 1),)


@pytest.mark.parametrize("seed", seeds(6))
async def test_any_order_of_writes_and_deletes_is_as_in_a_plain_list(services: Services, seed: int) -> None:
    rng = random.Random(seed)
    endpoint = await services.db.write(_endpoint, f"e{seed}")
    model = Model()
    for step in range(60):
        await _step(services, endpoint, model, rng)
        if step % 6 == 5:
            await _check(services, endpoint, model)
    await _check_deltas(services, endpoint, model)
    await maintenance.sweep(services.contents)
    await _check(services, endpoint, model)
    await _check_deltas(services, endpoint, model)
