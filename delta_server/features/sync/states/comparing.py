"""How a device finds out what it lacks without pulling all: digests of buckets of records, then the versions in those
that differ."""

from collections.abc import Mapping, Sequence

import msgspec

from delta_server.core.sync import digest
from delta_server.features.sync import spaces, store
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.states import store as states
from delta_server.services import Services
from delta_server.storage.database import Tx

MOST_RECORDS = 10_000
MOST_BUCKETS = 4096
_ROWS_AT_ONCE = 5000


class Difference(msgspec.Struct, frozen=True):
    """By records' ids, with the versions here. `is_cut`: there are more."""

    missing: Mapping[str, int]
    different: Mapping[str, int]
    unknown: Sequence[str]
    is_cut: bool


async def buckets(svc: Services, whose: Whose, data_type: str, count: int) -> list[str]:
    """The digests of so many buckets, in hex."""
    spaces.count_pull(svc, whose)
    found = [0] * count
    after, rows = 0, await _rows(svc, whose, data_type, 0)
    while rows:
        found = await svc.spare_cpu(digest.of_buckets, [(id, checksum) for _, id, checksum in rows], count, found)
        after = rows[-1][0]
        rows = await _rows(svc, whose, data_type, after) if len(rows) == _ROWS_AT_ONCE else []
    return [each.to_bytes(16).hex() for each in found]


async def compare(
    svc: Services, whose: Whose, data_type: str, held: Mapping[str, int], *, bucket: int, of: int
) -> Difference:
    """Against the records of one of so many buckets."""
    spaces.count_pull(svc, whose)
    living: dict[str, int] = {}
    after, rows = 0, await _rows(svc, whose, data_type, 0)
    while rows:
        more = await svc.spare_cpu(_of_bucket, rows, bucket, of)
        living |= more
        after = rows[-1][0]
        rows = await _rows(svc, whose, data_type, after) if len(rows) == _ROWS_AT_ONCE else []
    return await svc.spare_cpu(_difference, living, held)


def _of_bucket(rows: Sequence[tuple[int, str, bytes]], bucket: int, of: int) -> dict[str, int]:
    return {record_id: seq for seq, record_id, _ in rows if of == 1 or digest.bucket(record_id, of) == bucket}


def _difference(living: Mapping[str, int], held: Mapping[str, int]) -> Difference:
    missing = {record_id: seq for record_id, seq in living.items() if record_id not in held}
    return Difference(
        dict(list(missing.items())[:MOST_RECORDS]),
        {record_id: living[record_id] for record_id, seq in held.items() if living.get(record_id, seq) != seq},
        [record_id for record_id in held if record_id not in living],
        len(missing) > MOST_RECORDS,
    )


async def _rows(svc: Services, whose: Whose, data_type: str, after: int) -> list[tuple[int, str, bytes]]:
    return await svc.db.read(_read, whose, data_type, after)


def _read(tx: Tx, whose: Whose, data_type: str, after: int) -> list[tuple[int, str, bytes]]:
    space = store.space(tx, whose.project, whose.owner)
    found = None if space is None else store.collection(tx, space.id, data_type)
    if space is None or found is None:
        return []
    return states.living_of(tx, space.id, found.id, store.shown(tx, space.id), after, space.seq, _ROWS_AT_ONCE)
