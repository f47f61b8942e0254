"""What becomes of deduplication keys in the background: runs merge, and go once they are past their time."""

import asyncio
from collections.abc import Mapping, Sequence

from delta_server.core.event_storage import key_run
from delta_server.core.event_storage.key_run import KEY_BYTES, KeyFilterBuilder, KeyRun, RunMerge
from delta_server.storage.database import Database, Threads, Tx
from delta_server.storage.events.ingest import key_runs
from delta_server.storage.events.ingest.dedup_index import DedupIndex

_READ_PAGES = 10
"""Read of each run at a time: eight runs are 32,000 keys, which take some ms to merge."""
_DELETE_PAGES = 250
"""Deleted at a time: a megabyte."""
_PAGE_BYTES = key_runs.PAGE_KEYS * KEY_BYTES


class KeyMaintenance:
    def __init__(self, db: Database, spare_cpu: Threads, dedup: DedupIndex) -> None:
        self._db = db
        self._spare_cpu = spare_cpu
        self._dedup = dedup
        self._one_at_a_time = asyncio.Lock()

    async def run(self, now_ms: int) -> None:
        """Forget what is sealed, expire runs, merge what is due. Safe to cut off at any point."""
        async with self._one_at_a_time:
            await self._dedup.resolve_uncertain(self._db)
            await self._db.write(_remove_expired, now_ms - self._dedup.kept_ms)
            while merged := key_run.to_merge(await self._db.read(key_runs.all_whole), now_ms, self._dedup.kept_ms):
                await self._merge(merged)
            await self._db.write(self._dedup.forget_runs)
            while await self._db.write(key_runs.sweep, _DELETE_PAGES):
                pass

    async def _merge(self, merged: Sequence[KeyRun]) -> None:
        """Make one run of them. What is written before the last transaction belongs to no run."""
        oldest_at, newest_at = min(run.oldest_at for run in merged), max(run.newest_at for run in merged)
        id = await self._db.write(key_runs.begin, oldest_at, newest_at)
        filter = KeyFilterBuilder(sum(run.count for run in merged))
        merge, read_pages = RunMerge(len(merged)), [0] * len(merged)
        ready, pages, ended = b"", 0, False
        while not ended:
            fed = await self._db.read(_read_next_keys, merge.wanted(), merged, read_pages)
            taken = await self._spare_cpu(_merge_step, merge, filter, fed)
            ended = not taken
            ready += taken
            if whole := len(ready) // _PAGE_BYTES:
                await self._db.write(key_runs.put_pages, id, pages, ready[: whole * _PAGE_BYTES])
                pages, ready = pages + whole, ready[whole * _PAGE_BYTES :]
        await self._db.write(key_runs.put_pages, id, pages, ready)
        blob = await self._spare_cpu(filter.blob)
        await self._db.write(self._finish, id, newest_at, filter.count, blob, [run.id for run in merged])

    def _finish(self, tx: Tx, run: int, newest_at: int, count: int, filter: bytes, merged: Sequence[int]) -> None:
        if key_runs.finish(tx, run, count, filter, merged):
            self._dedup.add_run(run, newest_at, filter)


def _read_next_keys(tx: Tx, wanted: Sequence[int], merged: Sequence[KeyRun], read_pages: list[int]) -> dict[int, bytes]:
    fed = {}
    for index in wanted:
        fed[index] = key_runs.keys(tx, merged[index].id, read_pages[index], _READ_PAGES)
        read_pages[index] += _READ_PAGES
    return fed


def _merge_step(merge: RunMerge, filter: KeyFilterBuilder, fed: Mapping[int, bytes]) -> bytes:
    for index, keys in fed.items():
        merge.feed(index, keys)
    taken = merge.take()
    filter.add(taken)
    return taken


def _remove_expired(tx: Tx, past: int) -> None:
    """Runs whose newest key came in before `past`, and what a merge that was cut off left."""
    key_runs.remove_unfinished(tx)
    for run in key_runs.all_whole(tx):
        if run.newest_at < past:
            key_runs.remove(tx, run.id)
