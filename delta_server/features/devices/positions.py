"""How far devices are, kept in memory until it is written for many together: a pull with nothing new writes nothing."""

import msgspec

from delta_server.features.devices import store
from delta_server.services import Services
from delta_server.storage.database import Tx

_MOST = 10_000
_ROWS_AT_ONCE = 500


class Place(msgspec.Struct, frozen=True):
    """Of one device in one collection."""

    space: int
    device_id: str
    collection: int


class Positions:
    """Used on the event loop only."""

    def __init__(self) -> None:
        self._waiting: dict[Place, tuple[int, int]] = {}

    @staticmethod
    def of(svc: Services) -> "Positions":
        return svc.state(Positions)

    def note(self, place: Place, seq: int, now_ms: int) -> None:
        """The device has everything up to `seq`."""
        self._waiting.pop(place, None)
        self._waiting[place] = seq, now_ms
        if len(self._waiting) > _MOST:
            del self._waiting[next(iter(self._waiting))]

    def forget(self, space: int, device_id: str) -> None:
        for place in [place for place in self._waiting if (place.space, place.device_id) == (space, device_id)]:
            del self._waiting[place]

    def of_space(self, space: int) -> dict[tuple[str, int], tuple[int, int]]:
        """What waits of one space, by device and collection."""
        return {
            (place.device_id, place.collection): noted for place, noted in self._waiting.items() if place.space == space
        }

    def take(self) -> list[tuple[Place, int, int]]:
        """What is to be written, and is not kept any more."""
        taken = [(place, seq, at) for place, (seq, at) in list(self._waiting.items())[:_ROWS_AT_ONCE]]
        for place, _, _ in taken:
            del self._waiting[place]
        return taken


async def write_positions(svc: Services) -> None:
    while taken := Positions.of(svc).take():
        await svc.db.write(_write, taken)


def _write(tx: Tx, taken: list[tuple[Place, int, int]]) -> None:
    for place, seq, at in taken:
        store.put_position(tx, place.space, place.device_id, place.collection, seq, at)
