"""What handlers, tasks and commands are handed. Nothing else is global but constants and loggers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, TypeVar, cast

import msgspec

from delta_server.config.sections import Config
from delta_server.storage.cache import Cache
from delta_server.storage.contents.content_store import ContentStore
from delta_server.storage.database import Clock, Database, Threads, Tx
from delta_server.storage.eventlog import EventMaintenance, EventReader, EventWriter
from delta_server.storage.keyed_locks import KeyedLocks
from delta_server.storage.vault import Vault
from delta_server.tasks.live import OpenStreams
from delta_server.tasks.signals import WaitingCallers
from delta_server.tasks.threads import FairThreadPool, OneAtATime
from delta_server.tasks.topics import Topics

S = TypeVar("S")

APART_BYTES = 64 << 10
"""From so many bytes on work is given to another process, which costs 0.1 ms and a copy."""


DeleteSome = Callable[[Tx, int, int], bool]
"""(tx, owner, limit): delete up to `limit` rows of a deleted owner; False when there are none."""


class Cascade(msgspec.Struct, frozen=True):
    """What deletes a feature's rows when the endpoint or the project is deleted that they belong to; `delete_elsewhere`
    (services, owner, limit) what it owns behind a port, which goes first, in transactions of its own. `revive` runs in
    the transaction that takes the project out of the bin."""

    of: Literal["endpoint", "project"]
    delete_some: Callable[["Services"], DeleteSome] | None = None
    delete_elsewhere: Callable[["Services", int, int], Awaitable[bool]] | None = None
    revive: Callable[[Tx, int], None] | None = None


class Services(msgspec.Struct, frozen=True):
    config: Config
    db: Database
    clock: Clock
    cpu: Threads
    """For what a write waits for, and for steps about as short as that: checking, encoding, reading a content."""
    large_cpu: Threads
    """As `cpu`, for steps on so much that a small one would notice: see `cpu_beside`."""
    one_cpu: OneAtATime
    """As `large_cpu`, for what large requests take in Python."""
    spare_cpu: Threads
    """For what may take long and what nobody waits for: deltas behind the writes, packing. It never keeps a write
    waiting for a thread. Within a turn of `fair_cpu` it is that turn's thread."""
    fair_cpu: FairThreadPool
    """For what may take long while a caller waits: comparing, searching histories."""
    processes: Threads
    """For comparing large documents, whoever waits. `cpu_for` tells when."""
    batch_processes: Threads
    """One, for large batches of events within a turn of `one_cpu`."""
    cache: Cache
    contents: ContentStore
    event_writer: EventWriter
    event_reader: EventReader
    event_maintenance: EventMaintenance
    person_locks: KeyedLocks
    """By project: profile updates are applied in order of arrival, erasures are requested in between."""
    topics: Topics
    live: OpenStreams
    foreground: WaitingCallers = msgspec.field(default_factory=WaitingCallers)
    """Snapshots that callers wait for."""
    cascades: Sequence[Cascade] = ()
    """Of all features: rows that point at others go before those."""

    _states: dict[type[Any], Any] = msgspec.field(default_factory=dict)

    def state(self, kind: type[S], make: Callable[[], S] | None = None) -> S:
        """What a single feature keeps in memory, made when it is first used. Used on the event loop only."""
        found = self._states.get(kind)
        if found is None:
            found = self._states[kind] = kind() if make is None else make()
        return cast("S", found)

    @property
    def vault(self) -> Vault:
        """Seals the secrets that features keep. Taken on the event loop; used anywhere."""
        return self.state(Vault, lambda: Vault(self.config.storage.data_dir))

    def owned_by(self, owner: Literal["endpoint", "project"]) -> list[DeleteSome]:
        owned = [cascade.delete_some for cascade in self.cascades if cascade.of == owner]
        return [delete_some(self) for delete_some in owned if delete_some is not None]

    async def delete_elsewhere(self, owner: Literal["endpoint", "project"], id: int, limit: int) -> None:
        """All of it, `limit` rows at once."""
        for cascade in self.cascades:
            if cascade.of == owner and cascade.delete_elsewhere is not None:
                while await cascade.delete_elsewhere(self, id, limit):
                    pass

    @property
    def several_call(self) -> bool:
        """Whether requests of more than one project came in lately."""
        return self.fair_cpu.callers.count() > 1

    def cpu_beside(self, size_bytes: int) -> Threads:
        """As `cpu`; while several projects call, a step on so many bytes neither takes the threads of the others' small
        ones nor their core."""
        return self.large_cpu if size_bytes >= APART_BYTES and self.several_call else self.cpu

    def cpu_for(self, size_bytes: int) -> Threads:
        """Where documents of so many bytes together are compared."""
        return self.processes if size_bytes >= APART_BYTES else self.spare_cpu
