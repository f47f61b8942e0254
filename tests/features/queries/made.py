"""Events of twelve days, and what answers about them must be, counted from a plain list."""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from delta_server.app import Application
from delta_server.core import times
from delta_server.core.events.event import Event
from delta_server.storage.database import Tx
from tests.storage.opened import START_MS

DAY, HOUR = times.DAY_MS, 3_600_000
FIRST = START_MS - START_MS % DAY - 12 * DAY
"""All events are from here on and before START_MS."""

Made = dict[str, Any]


def made(count: int = 400, seed: int = 7) -> list[Made]:
    chance = random.Random(seed)
    return [_one(chance, number) for number in range(count)]


def _one(chance: random.Random, number: int) -> Made:
    data = {"plan": chance.choice(["free", "pro"]), "price": number % 50, "a.b": {"c": number % 3}}
    return {
        "at": FIRST + chance.randrange(START_MS - FIRST),
        "eventType": chance.choice(["page_view", "purchase", "Ärger"]),
        "source": chance.choice(["web", "api", None]),
        "userId": chance.choice([None, *(f"u{n}" for n in range(20))]),
        "anonymousId": f"a{number % 9}",
        "sessionId": f"s{number % 30}",
        "duration": chance.choice([None, float(number), number / 7]),
        "priority": number % 5,
        "status": chance.choice(["ok", "failed", None]),
        "tags": chance.sample(["red", "green", "blue"], chance.randrange(3)) or None,
        "data": data if number % 10 else None,
        "metadata": {"words": f"The Quick fox {number}"},
        "messageId": f"m{number}" if number % 3 else None,
    }


def event(made: Made) -> Event:
    def raw(value: Any) -> msgspec.Raw | None:
        return None if value is None else msgspec.Raw(msgspec.json.encode(value))

    return Event(
        at=made["at"],
        received_at=made["at"] + 5,
        type=made["eventType"],
        source=made["source"],
        user_id=made["userId"],
        anonymous_id=made["anonymousId"],
        session_id=made["sessionId"],
        duration=made["duration"],
        priority=made["priority"],
        status=made["status"],
        tags=made["tags"],
        data=raw(made["data"]),
        metadata=raw(made["metadata"]),
        message_id=made["messageId"],
    )


def project(tx: Tx, name: str = "mine") -> int:
    row = tx.one("SELECT id FROM project WHERE name = ?", name)
    assert row is not None
    return int(row[0])


async def store(app: Application, events: Sequence[Made], *, sealed: int = 0, name: str = "mine") -> int:
    """Append the events, the first `sealed` of them sealed; the project."""
    mine = await app.services.db.read(project, name)
    if sealed:
        await app.services.event_writer.append_events(mine, [event(one) for one in events[:sealed]])
        await app.services.event_maintenance.run_maintenance(mine, seal=True)
    if events[sealed:]:
        await app.services.event_writer.append_events(mine, [event(one) for one in events[sealed:]])
    return mine


def counts(events: Iterable[Made], key: Callable[[Made], Any]) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for one in events:
        found[key(one)] = found.get(key(one), 0) + 1
    return found
