"""What a feature stores in the very transaction in which its events are appended or erased.

Callers hand the ports of storage/eventlog.py a companion, a value of any type; the adapter is given the functions that
store each type when it is opened, and so no port speaks of transactions.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from delta_server.storage.database import Tx

StoreCompanion: TypeAlias = Callable[[Tx, int, Any, Any], None]
"""(tx, project, companion, outcome): what `append_events` or `erase_person` did in the same transaction."""
AdmitEvents: TypeAlias = Callable[[Tx, int, int, int], None]
"""(tx, project, events, size_bytes): raises QuotaExceeded where the project may not store so many."""
Companions: TypeAlias = Mapping[type[Any], StoreCompanion]
NO_COMPANIONS: Companions = MappingProxyType({})


def admit_all(tx: Tx, project: int, events: int, size_bytes: int) -> None:
    pass


def store_companion(tx: Tx, companions: Companions, project: int, companion: object | None, outcome: object) -> None:
    """None stores nothing. Raises KeyError for a type that no feature has declared."""
    if companion is not None:
        companions[type(companion)](tx, project, companion, outcome)
