"""Large batches while several projects call: read and applied in processes, with the same result as in threads."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from delta_server.core.errors import TooCostly
from delta_server.core.events import native_event, segment_event
from delta_server.features.accounts import service as accounts
from delta_server.features.events import service
from delta_server.features.events.schemas import Taken
from delta_server.features.profiles import service as profiles
from delta_server.features.projects import service as projects
from delta_server.services import APART_BYTES, Services
from delta_server.storage.database import Tx

ALONE, BESIDE = 1, 2


@pytest.fixture(autouse=True)
async def two_projects(services: Services) -> None:
    def make(tx: Tx) -> None:
        account = accounts.default_account(tx)
        assert [projects.ensure(tx, account, name).id for name in ("alone", "beside")] == [ALONE, BESIDE]

    await services.db.write(make)


def batch() -> bytes:
    chance = random.Random(1)
    calls: list[Any] = [
        {"type": "identify", "userId": f"u{n % 60}", "traits": {f"t{n % 7}": chance.randbytes(400).hex(), "n": n}}
        for n in range(300)
    ]
    calls += [{"type": "alias", "userId": f"v{n}", "previousId": f"u{n}"} for n in range(50)]
    calls += [{"type": "track", "event": "buy", "userId": f"u{n}", "messageId": f"m{n % 20}"} for n in range(40)]
    calls += [{"type": "track"}, 7, {"type": "identify", "traits": []}]
    return msgspec.json.encode({"batch": calls})


async def taken(services: Services, project: int, body: bytes) -> tuple[Taken, list[Any]]:
    answer = await service.append_events(services, project, body, segment_event.parse_many)
    names = [*(f"u{n}" for n in range(60)), *(f"v{n}" for n in range(50))]
    people = [await services.db.read(profiles.person, project, name) for name in names]
    kept = [each.profile and (each.profile.traits, each.profile.told_at) for each in people]
    return answer, [*((each.name, each.ids) for each in people), *kept]


@pytest.mark.parametrize("dies", [False, True])
async def test_a_large_batch_is_read_in_a_process_while_others_call(
    services: Services, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """And in a thread after all should the process die of it."""
    called, processes = list[str](), services.batch_processes

    async def call(fn: Callable[..., Any], *args: Any) -> Any:
        called.append(fn.__name__)
        if dies:
            raise TooCostly("")
        return await processes(fn, *args)

    services = msgspec.structs.replace(services, batch_processes=call)
    body = batch()
    assert len(body) > APART_BYTES
    alone = await taken(services, ALONE, body)
    assert not called
    monkeypatch.setattr(services.fair_cpu.callers, "count", lambda: 2)  # a slow machine takes longer than it remembers
    beside = await taken(services, BESIDE, body)
    assert beside == alone
    assert called == (["_apart", "_wanted"] if dies else ["_apart", "_wanted", "_steps"])
    assert (alone[0].accepted, alone[0].duplicates, len(alone[0].rejected)) == (370, 20, 3)


@pytest.mark.parametrize(("size_bytes", "others", "turns"), [(200_000, 0, 0), (200_000, 1, 1), (1_100_000, 0, 1)])
async def test_a_project_that_calls_alone_waits_for_a_turn_with_very_large_requests_only(
    services: Services, monkeypatch: pytest.MonkeyPatch, size_bytes: int, others: int, turns: int
) -> None:
    taken, turn = list[int](), services.one_cpu.turn

    def counted(project: int) -> Any:
        taken.append(project)
        return turn(project)

    monkeypatch.setattr(services.one_cpu, "turn", counted)
    monkeypatch.setattr(services.fair_cpu.callers, "count", lambda: 1 + others)
    events = [{"eventType": "e", "data": {"n": "x" * 1000}} for _ in range(size_bytes // 1000)]
    body = msgspec.json.encode({"events": events})
    answer = await service.append_events(services, ALONE, body, native_event.parse_many)
    assert (answer.accepted, taken) == (len(events), [ALONE] * turns)
