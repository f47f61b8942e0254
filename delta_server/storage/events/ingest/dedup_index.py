"""Which message ids came before: those of waiting events in a dict, those of sealed ones in runs with filters.

Memory is a filter, the database decides: what is found here counts only when the row it leads to is there in the same
transaction. So what a failed commit leaves in memory does no harm, and nothing has to be undone.

What is known here grows inside the transactions that make it true, before they are committed, and shrinks only after a
commit: between the two a key may be known twice, never not at all. What `find_duplicates` reads changes on the writer's
thread only.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from delta_server.core.event_storage import key_run
from delta_server.core.event_storage.key_run import BuiltRun, KeyFilter, KeyFilterBuilder, KeyProbes, KeyRun
from delta_server.storage.database import Database, Threads, Tx, frees_space
from delta_server.storage.events.ingest import blocks, key_runs

log = logging.getLogger(__name__)

DAY_MS = 86_400_000

BLOCKS_PER_READ = 256
"""Blocks whose keys are read at a time when opening."""
PAGES_PER_READ = 2048
"""Of a run's keys, when its filter is made anew: 8 MB."""
KEYS_PER_WRITE = 8192
"""Keys that one write forgets: about a millisecond."""

GUESSED_BY = 8
"""Keys of a call by which it is guessed that it was sent before; one that was not looks so once in a thousand."""


class SealedKeys(msgspec.Struct, frozen=True):
    """The keys of blocks that are being sealed: `keys` by the block's seq, and all of them as a run."""

    keys: Mapping[int, bytes]
    run: BuiltRun
    oldest_at: int
    newest_at: int


class LoadedRun(msgspec.Struct, frozen=True):
    """A run in memory."""

    newest_at: int
    filter: KeyFilter


class LookedUp(msgspec.Struct, frozen=True):
    """What the runs were found to have of some keys before these are stored: `found` by each run that was looked
    through. A run does not change; it may be gone. `probes` are for others, None as long as there is no run."""

    probes: KeyProbes | None
    found: Mapping[int, frozenset[bytes]]


class DedupIndex:
    """The keys of all projects. `kept_ms` is how long an event's id is known after it came in, at least; once sealed up
    to an eighth longer, and by what it waited to be sealed."""

    def __init__(self, kept_ms: int) -> None:
        self.kept_ms = kept_ms
        self._unsealed: dict[bytes, int] = {}  # key -> seq of its block
        self._runs: dict[int, LoadedRun] = {}
        self._doubtful: dict[int, bytes] = {}  # seq -> keys of a block that is to go, or that was not stored

    async def load(self, db: Database) -> None:
        """Learn what the tables hold, before the first write. Many short reads: each has a deadline, and a large store
        takes longer than any."""
        last: int | None = 0
        while last is not None:
            last = await db.read(self._load_blocks, last)
        for run in await db.read(key_runs.all_whole):
            if not await db.read(self._load_run, run):
                self.add_run(run.id, run.newest_at, await self._rebuild_filter(db, run))

    def _load_blocks(self, tx: Tx, after: int) -> int | None:
        """The last of some blocks behind the one with the id `after`, None when there are none."""
        rows = blocks.keys_after(tx, after, BLOCKS_PER_READ)
        for _, seq, keys in rows:
            self.add_block(key_run.split(keys), seq)
        return rows[-1][0] if rows else None

    def _load_run(self, tx: Tx, run: KeyRun) -> bool:
        """False when its filter cannot be used."""
        filter = key_runs.filter_of(tx, run.id)
        if filter is None:
            return False
        try:
            self.add_run(run.id, run.newest_at, filter)
        except ValueError:  # of an old row, without a hash
            return False
        return True

    async def _rebuild_filter(self, db: Database, run: KeyRun) -> bytes:
        log.error("the filter of key run %d is damaged, it is made anew: run delta-server verify", run.id)
        filter = KeyFilterBuilder(run.count)
        first = 0
        while await db.read(_add_pages, filter, run.id, first):
            first += PAGES_PER_READ
        return filter.blob()

    def look_up(self, tx: Tx, keys: Sequence[bytes | None]) -> LookedUp:
        """Many keys in all runs, in a read: ten thousand that are there take 80 ms. On any thread."""
        living = [(id, run) for id, run in self._living_runs(tx) if key_runs.is_whole(tx, id)]
        if not living:
            return LookedUp(None, {})
        probes = KeyProbes([key for key in keys if key is not None])
        return LookedUp(probes, {id: frozenset(_found_in(tx, id, run, probes)) for id, run in living})

    def seem_stored(self, keys: Sequence[bytes | None]) -> bool:
        """Whether it looks as if all were: by some of them, and without a look into the database. On any thread."""
        some = keys[:: max(1, len(keys) // GUESSED_BY)]
        left = [key for key in some if key is not None and key not in self._unsealed]
        if left:
            probes, maybe = KeyProbes(left), set[bytes]()
            for run in list(self._runs.values()):
                maybe.update(key for key, _, _ in run.filter.maybe(probes))
            left = [key for key in left if key not in maybe]
        return not left and None not in some

    def find_duplicates(
        self, tx: Tx, keys: Sequence[bytes | None], looked_up: LookedUp | None = None
    ) -> frozenset[int]:
        """The indexes of those of `keys` whose event is stored already, and not too long ago."""
        found = self._find_in_blocks(tx, keys, self._past(tx)) | self._find_in_runs(tx, keys, looked_up)
        return indexes_of(keys, found)

    def _past(self, tx: Tx) -> int:
        return tx.now_ms - self.kept_ms

    def _living_runs(self, tx: Tx) -> list[tuple[int, LoadedRun]]:
        past = self._past(tx)
        return [(id, run) for id, run in list(self._runs.items()) if run.newest_at >= past]

    def add_block(self, keys: Iterable[bytes], seq: int) -> None:
        """The block `seq` with these keys is being stored by this transaction."""
        self._unsealed.update(dict.fromkeys(keys, seq))

    def mark_uncertain(self, keys: Mapping[int, bytes]) -> None:
        """Blocks, by their seq, that are going away in this transaction or were not stored at all."""
        self._doubtful.update(keys)

    def sealed(self, tx: Tx, sealing: SealedKeys) -> None:
        """In the transaction that deletes the blocks: their keys live on in a run."""
        self.mark_uncertain(sealing.keys)
        if sealing.run.count:
            run = key_runs.insert(tx, sealing.run, sealing.oldest_at, sealing.newest_at)
            self.add_run(run, sealing.newest_at, sealing.run.filter)

    def add_run(self, run: int, newest_at: int, filter: bytes) -> None:
        """The run becomes whole in this transaction."""
        self._runs[run] = LoadedRun(newest_at, KeyFilter(filter))

    @frees_space
    def forget_runs(self, tx: Tx) -> None:
        """Those that are not in the table. No transaction that removes some may be on its way."""
        for run in [run for run in self._runs if not key_runs.is_whole(tx, run)]:
            del self._runs[run]

    async def resolve_uncertain(self, db: Database) -> None:
        """Forget the keys of blocks that are gone for good, some thousands a write: each write waits for its turn."""
        deleted = await db.read(self._deleted_blocks)
        while deleted:
            deleted = await db.write(self._forget_batch, deleted)

    def _deleted_blocks(self, tx: Tx) -> list[int]:
        """In a read: what a write sees of others may not be committed yet."""
        return [seq for seq in list(self._doubtful) if not blocks.exists(tx, seq)]

    @frees_space
    def _forget_batch(self, tx: Tx, deleted: list[int]) -> list[int]:
        """Forget the keys of the first of these blocks, by their seq; those that are left."""
        forgotten = 0
        for done, seq in enumerate(deleted):
            if forgotten >= KEYS_PER_WRITE:
                return deleted[done:]
            keys = self._doubtful.pop(seq, b"")
            for key in key_run.split(keys):
                if self._unsealed.get(key) == seq:
                    del self._unsealed[key]
            forgotten += len(keys) // key_run.KEY_BYTES
        return []

    def _find_in_blocks(self, tx: Tx, keys: Sequence[bytes | None], past: int) -> set[bytes]:
        if self._unsealed.keys().isdisjoint(keys):
            return set()
        there: dict[int, bool] = {}
        found = set()
        for key in keys:
            seq = None if key is None else self._unsealed.get(key)
            if key is None or seq is None:
                continue
            if seq not in there:
                there[seq] = blocks.received_at(seq) >= past and blocks.exists(tx, seq)
            if there[seq]:
                found.add(key)
        return found

    def _find_in_runs(self, tx: Tx, keys: Sequence[bytes | None], looked_up: LookedUp | None) -> set[bytes]:
        """Those that were looked up count while their run is there: when it was merged, its keys are in one that was
        not looked through."""
        probes, known_of = (looked_up.probes, looked_up.found) if looked_up else (None, {})
        found: set[bytes] = set()
        for id, run in self._living_runs(tx):
            known = known_of.get(id)
            if known is None:
                probes = probes or KeyProbes([key for key in keys if key is not None])
                found |= _found_in(tx, id, run, probes)
            elif known and key_runs.is_whole(tx, id):
                found |= known
        return found


def indexes_of(keys: Sequence[bytes | None], found: Collection[bytes]) -> frozenset[int]:
    return frozenset(index for index, key in enumerate(keys) if key in found) if found else frozenset()


def _found_in(tx: Tx, id: int, run: LoadedRun, probes: KeyProbes) -> set[bytes]:
    return key_runs.present(tx, id, run.filter.maybe(probes))


def _add_pages(tx: Tx, filter: KeyFilterBuilder, run: int, first: int) -> bool:
    """False when the run has no pages from `first` on."""
    some = key_runs.keys(tx, run, first, PAGES_PER_READ)
    filter.add(some)
    return bool(some)


async def collect_keys(
    db: Database, spare_cpu: Threads, project: int, last_block: int, excluded: Collection[int] = ()
) -> SealedKeys:
    """The keys of the project's blocks up to the one with the id `last_block`, but those with the seqs `excluded`, for
    `Seen.sealed`."""
    rows = await db.read(blocks.keys_until, project, last_block)
    return await spare_cpu(_sealed_keys, [row for row in rows if row[0] not in excluded])


def _sealed_keys(rows: Sequence[tuple[int, int, bytes]]) -> SealedKeys:
    times = [received_at for _, received_at, _ in rows] or [0]
    return SealedKeys(
        keys={seq: keys for seq, _, keys in rows},
        run=key_run.build(key for _, _, keys in rows for key in key_run.split(keys)),
        oldest_at=min(times),
        newest_at=max(times),
    )
