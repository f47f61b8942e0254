"""Events for the contracts of the event log's ports, what an adapter is to them, and a companion that can fail."""

from typing import Any, Protocol

import msgspec

from delta_server.core.events.event import Event
from delta_server.storage.companions import Companions
from delta_server.storage.database import Database, Tx
from delta_server.storage.eventlog import EventMaintenance, EventReader, EventWriter
from tests.storage.opened import START_MS

DAY_MS = 86_400_000
DEDUP_DAYS = 7


class Log(EventWriter, EventReader, EventMaintenance, Protocol):
    """What the contracts of all three ports are held against."""


def event(id: str | None, *, at: int = START_MS, received_at: int = START_MS, user: str | None = None) -> Event:
    return Event(at=at, received_at=received_at, type="seen", message_id=id, user_id=user, data=msgspec.Raw(b'{"n":1}'))


def events(*ids: str | None) -> list[Event]:
    return [event(id) for id in ids]


def numbered(count: int, name: str = "id") -> list[Event]:
    return events(*(f"{name} {number}" for number in range(count)))


async def stored(log: EventReader, project: int) -> list[dict[str, Any]]:
    """All events that wait, in the order of their blocks, with the names they have in lines."""
    _, blocks = await log.read_blocks(project, 0, limit=10_000)
    return [msgspec.json.decode(line) for _, lines in blocks for line in lines.splitlines()]


async def stored_ids(log: EventReader, project: int) -> list[str | None]:
    return [event.get("i") for event in await stored(log, project)]


class Note:
    """A companion that writes a row into the table `noted`, keeps the outcomes, and fails if it is to."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name = name
        self.error = error
        self.outcomes: list[Any] = []

    @staticmethod
    def store(tx: Tx, project: int, note: "Note", outcome: object) -> None:
        note.outcomes.append(outcome)
        tx.run("INSERT INTO noted VALUES (?)", note.name)
        if note.error is not None:
            raise note.error


COMPANIONS: Companions = {Note: Note.store}


def noted(db: Database) -> list[str]:
    return [row[0] for row in db.peek(lambda tx: tx.all("SELECT name FROM noted ORDER BY name"))]
