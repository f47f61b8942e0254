"""One state of a project's events, held while a query runs: what is there, and the bytes of it.

A snapshot is a read-only connection with an open read transaction, so sealing, compaction and erasure go on beside it.
DuckDB reads its files from several threads at once: one lock goes around the connection.
"""

import bisect
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, TypeAlias

import apsw
import msgspec
from zstandard import ZstdDecompressor

from delta_server.core.errors import DatabaseFailed, DeltaError
from delta_server.core.event_storage.rollup_plan import RollupState
from delta_server.core.packs import codec
from delta_server.core.query.plan import Span
from delta_server.storage.cold import store as cold
from delta_server.storage.cold.pieces import ColdPieces, ColdReads, ColdStorageAway, PieceLost
from delta_server.storage.cold.store import ColdObject
from delta_server.storage.database import Row
from delta_server.storage.events.duckdb.failures import damaged, is_of_a_file
from delta_server.storage.events.ingest.blocks import INDEX_BITS, StoredLines, decode
from delta_server.storage.events.query.read_cache import File, ReadCache
from delta_server.storage.events.segments import parts

ALWAYS = Span(-(2**62), 2**62)
NO_SEQ = -1
"""Smaller than that of any event."""
_CHUNK_BYTES = 1 << 20
_BLOBS = 64
"""Files of a snapshot that are open in SQLite at once."""
_KINDS = ("segment", "rollup")
"""Of files: each has its table, and one of their bytes."""
_PROGRESS_STEPS = 20_000
"""About a millisecond of SQLite's work."""


class Segment(msgspec.Struct, frozen=True, gc=False):
    """A file of sealed events. `first_at`, `last_at` are the times of its first and last event; `types` is JSON
    {event type: count}; `rolled` is 1 when its events are in the rollups; `hash` is that of its file, `last_seq` the
    largest of its events', each None for an old one."""

    id: int
    events_count: int
    first_at: int
    last_at: int
    types: str
    json_bytes: int
    stored_bytes: int
    rolled: int
    hash: bytes | None = None
    last_seq: int | None = None


class Block(msgspec.Struct, frozen=True, gc=False):
    """Events of one commit that wait to be sealed; `raw_bytes` is the length of their lines."""

    id: int
    seq: int
    events_count: int
    first_at: int
    last_at: int
    raw_bytes: int


class Rollup(msgspec.Struct, frozen=True, gc=False):
    """A file of the buckets of one interval that begin from `first_at` and before `end_at`: see rollup_cells.py."""

    id: int
    interval_ms: int
    first_at: int
    end_at: int
    rows_count: int
    hash: bytes | None = None


class Links(msgspec.Struct, frozen=True):
    """Relations (behind FROM) of `name` and `person`: of user ids and of anonymous ids that lead to another person,
    None without any. `paths` are those of this snapshot that they read."""

    users: str | None
    anonymous: str | None
    paths: tuple[str, ...]


class Pages(msgspec.Struct, frozen=True):
    """What a file that DuckDB has open reads from: `read(offset, count)` gives exactly these bytes."""

    size: int
    read: Callable[[int, int], bytes]


_Blob: TypeAlias = tuple[str, str, int]
"""A table, its column and a row."""


class ReadView:
    """Made by Snapshots. The lists are in order of time, then id; they and the files are of `project` alone."""

    def __init__(self, connection: apsw.Connection, project: int, kept: ReadCache, cold_pieces: ColdPieces) -> None:
        self.project = project
        self._cold_pieces = cold_pieces
        self._read_cache = kept
        self._large_left = kept.LARGE_OF_ONE_BYTES
        self.token = secrets.token_hex(16)
        self._connection = connection
        self._lock = threading.Lock()
        self._hot: list[list[Block]] = []
        self._texts: list[bytes] = []
        self._sizes: dict[File, int] = {}
        """Of the files that were opened."""
        self._parts: dict[File, int] = {}  # of the files that are in parts: see segments/parts.py
        self._cold: dict[File, ColdObject] = {}  # of those that are in cold storage
        self._blobs: dict[_Blob, apsw.Blob] = {}
        self.links: Links | None = None
        """Which ids are one person's, once storage/events/query/person_joins.py has looked."""
        self._stopped = False
        self.failure: apsw.Error | DeltaError | None = None
        """Why a file could not be read: DuckDB reports it as an error of its own."""
        connection.set_progress_handler(lambda: self._stopped, _PROGRESS_STEPS)

    @property
    def cold(self) -> ColdReads:
        return ColdReads(self._cold_pieces, lambda: self._stopped)

    def is_cold(self, kind: str, number: int) -> bool:
        """Of a file that was opened."""
        return (kind, number) in self._cold

    def stop(self) -> None:
        """From any thread: reads raise apsw.InterruptError from now on."""
        self._stopped = True

    def end(self) -> None:
        """Close what DuckDB left open; a blob would hold the transaction. What is read afterwards raises."""
        with self._lock:
            self._stopped = True
            for blob in self._blobs.values():
                blob.close(True)
            self._blobs.clear()
            self._connection.set_progress_handler(None)
            self._connection.execute("ROLLBACK")

    def all(self, sql: str, *params: Any) -> list[Row]:
        """The rows of a SELECT in this state of the database."""
        with self._lock:
            self._check()
            try:
                return self._connection.execute(sql, params).fetchall()
            except apsw.Error as error:
                self.failure = error
                raise

    def segments(self, span: Span = ALWAYS, after_seq: int | None = None) -> list[Segment]:
        """Those with events in the span, by what their first and last events say, and maybe with such after the seq."""
        rows = self.all(
            "SELECT id, events_count, first_at, last_at, types, json_bytes, stored_bytes, rolled, hash, last_seq"
            " FROM segment WHERE project = ? AND first_at < ? AND last_at >= ?"
            " AND (last_seq IS NULL OR last_seq > ?) ORDER BY first_at, id",
            self.project, span.end_ms, span.start_ms, NO_SEQ if after_seq is None else after_seq,
        )  # fmt: skip
        return [Segment(*row) for row in rows]

    def blocks(self, span: Span = ALWAYS, after_seq: int | None = None) -> list[Block]:
        """Those with events in the span, in order of arrival, and maybe with such after the seq."""
        rows = self.all(
            "SELECT id, seq, events_count, first_at, last_at, raw_bytes FROM event_block"
            " WHERE project = ? AND first_at < ? AND last_at >= ? AND seq >= ? ORDER BY id",
            self.project, span.end_ms, span.start_ms, (NO_SEQ if after_seq is None else after_seq) >> INDEX_BITS,
        )  # fmt: skip
        return [Block(*row) for row in rows]

    def rollups(self, interval_ms: int, part: int, span: Span = ALWAYS) -> list[Rollup]:
        rows = self.all(
            "SELECT id, interval_ms, first_at, end_at, rows_count FROM rollup"
            " WHERE project = ? AND interval_ms = ? AND part = ? AND first_at < ? AND end_at > ? ORDER BY first_at",
            self.project, interval_ms, part, span.end_ms, span.start_ms,
        )  # fmt: skip
        return [Rollup(*row) for row in rows]

    def rollup(self, rollup: int) -> Rollup | None:
        rows = self.all(
            "SELECT id, interval_ms, first_at, end_at, rows_count, hash FROM rollup WHERE project = ? AND id = ?",
            self.project, rollup,
        )  # fmt: skip
        return Rollup(*rows[0]) if rows else None

    def rollup_ids(self) -> list[int]:
        return [row[0] for row in self.all("SELECT id FROM rollup WHERE project = ? ORDER BY id", self.project)]

    def rollup_kinds(self) -> list[tuple[int, int]]:
        """(interval in ms, part) of the files there are."""
        sql = "SELECT DISTINCT interval_ms, part FROM rollup WHERE project = ? ORDER BY 1, 2"
        return [(row[0], row[1]) for row in self.all(sql, self.project)]

    def newest_seq(self) -> int:
        """The events' seqs so far are smaller than this, those of what comes in later are not."""
        sql = (
            "SELECT coalesce((SELECT max(seq) FROM event_block WHERE project = ?1), 0),"
            " coalesce((SELECT sealed_seq FROM event_settings WHERE project = ?1), 0)"
        )
        newest: int = max(self.all(sql, self.project)[0])
        return (newest + 1) << INDEX_BITS

    def known(self) -> RollupState:
        """What the rollups know."""
        rows = self.all("SELECT rollups FROM event_settings WHERE project = ?", self.project)
        return msgspec.json.decode(rows[0][0], type=RollupState) if rows else RollupState()

    def segment_path(self, segment: int) -> str:
        """What read_parquet opens. Paths are made of hexadecimal digits and numbers: safe inside SQL."""
        return f"segment://{self.token}/{segment}"

    def rollup_path(self, rollup: int) -> str:
        return f"rollup://{self.token}/{rollup}"

    def hot_path(self, blocks: Sequence[Block]) -> str:
        """What read_ndjson opens: the lines of these blocks."""
        self._hot.append(list(blocks))
        return f"hot://{self.token}/{len(self._hot) - 1}"

    def text_path(self, data: bytes) -> str:
        """What opens these bytes."""
        self._texts.append(data)
        return f"text://{self.token}/{len(self._texts) - 1}"

    def open(self, kind: str, number: int) -> Pages:
        """The file behind one of the paths, checked when it is the first time.

        Raises KeyError or IndexError for none of this snapshot's, DatabaseFailed for one that is damaged."""
        if kind == "hot":
            return self._open_hot(self._hot[number])
        if kind == "text":
            text = self._texts[number]
            return Pages(len(text), lambda offset, count: text[offset : offset + count])
        size = self._sizes.get((kind, number))
        if size is None:
            size = self._sizes[kind, number] = self._size((kind, number))
        return Pages(size, partial(self._read, (kind, number)))

    def recheck(self, error: Exception, run: Callable[[str], object]) -> None:
        """Where `error`, DuckDB's, may be about what is stored, look once more at all files that were opened: `failure`
        names the first that is damaged. `run` runs SQL: old files, without a hash, are decoded."""
        if self.failure is not None or not is_of_a_file(error):
            return
        opened, self._sizes = sorted(self._sizes), {}
        for kind, number in opened:
            self._read_cache.forget((kind, number))
            try:
                self.open(kind, number)
                if (kind, number) not in self._read_cache.sizes:
                    run(f"SELECT count(COLUMNS(*)) FROM read_parquet('{kind}://{self.token}/{number}')")
            except DatabaseFailed:
                return
            except Exception as again:  # DuckDB's
                if is_of_a_file(again):
                    self.failure = self._damaged(kind, number, "it cannot be decoded")
                return

    def _size(self, file: File) -> int:
        """Of a file of the project, which is checked when it is the first time."""
        kind, number = file
        if kind not in _KINDS:
            raise KeyError(kind)
        columns = "hash, file, stored_bytes"
        found = self.all(f"SELECT {columns} FROM {kind} WHERE id = ? AND project = ?", number, self.project)
        if not found:
            raise KeyError(number)
        hash, stored, size = found[0]
        if stored is not None:
            self._parts[file] = stored
        elif kind == "segment" and (rows := self.all(cold.OF_SEGMENT, number, self.project)):
            self._cold[file] = ColdObject(*rows[0])
            return int(size)
        if (known := self._read_cache.sizes.get(file)) is not None:
            return known
        try:
            if stored is None:
                with self._lock:
                    size = self._blob((f"{kind}_data", "parquet", number)).length()
            if hash is not None:
                hasher = codec.hasher()
                for at in range(0, size, _CHUNK_BYTES):
                    hasher.update(self._read(file, at, min(_CHUNK_BYTES, size - at)))
                if hasher.digest() != hash:
                    raise self._failed(self._damaged(kind, number, "its bytes are not what was stored"))
                self._read_cache.check(file, size)
        except apsw.SQLError:  # no such row
            raise self._failed(self._damaged(kind, number, "some of it is gone")) from None
        return int(size)

    def _damaged(self, kind: str, number: int, why: str) -> DatabaseFailed:
        last = {"segment": "last_at", "rollup": "end_at"}[kind]
        [(first_at, last_at)] = self.all(f"SELECT first_at, {last} FROM {kind} WHERE id = ?", number)
        return damaged(kind, number, why, between=(first_at, last_at))

    def _failed(self, error: DatabaseFailed) -> DatabaseFailed:
        self.failure = error
        return error

    def _check(self) -> None:
        if self._stopped:
            raise apsw.InterruptError("the query was stopped")

    def _read(self, file: File, offset: int, count: int) -> bytes:
        self._check()
        if (object := self._cold.get(file)) is not None:
            return self._read_cold(file, object, offset, count)
        is_kept = count <= ReadCache.SMALL_BYTES or (count <= ReadCache.LARGE_BYTES and self._large_left > 0)
        if is_kept and count > ReadCache.SMALL_BYTES:
            self._large_left -= count
        data = self._read_cache.piece(file, offset, count) if is_kept else None
        if data is None:
            with self._lock:
                self._check()
                try:
                    data = b"".join([self._bytes(*piece) for piece in self._pieces(file, offset, count)])
                except apsw.Error as error:
                    self.failure = error
                    raise
            if is_kept:
                self._read_cache.keep(file, offset, data)
        return data

    def _read_cold(self, file: File, object: ColdObject, offset: int, count: int) -> bytes:
        """Each piece is compared with its hash as it is fetched."""
        reads = self.cold
        try:
            return reads.wait(reads.pieces.read(object, offset, offset + count))
        except PieceLost as error:
            raise self._failed(self._damaged(*file, str(error))) from None
        except ColdStorageAway as error:
            self.failure = error
            raise

    def _pieces(self, file: File, offset: int, count: int) -> Iterator[tuple[_Blob, int, int]]:
        """The blobs in which these bytes are, where in them, and how many."""
        if (stored := self._parts.get(file)) is not None:
            return ((("file_part", "data", id), at, size) for id, at, size in parts.pieces(stored, offset, count))
        kind, number = file
        return iter([((f"{kind}_data", "parquet", number), offset, count)])

    def _bytes(self, name: _Blob, offset: int, count: int) -> bytes:
        blob = self._blob(name)
        blob.seek(offset)
        data: bytes = blob.read(count)
        return data

    def _blob(self, name: _Blob) -> apsw.Blob:
        """Open, and the last of those that are. To be called with the lock."""
        blob = self._blobs.pop(name, None)
        if blob is None:
            if len(self._blobs) >= _BLOBS:
                self._blobs.pop(next(iter(self._blobs))).close(True)
            blob = self._connection.blob_open("main", *name, False)
        self._blobs[name] = blob
        return blob

    def _open_hot(self, blocks: list[Block]) -> Pages:
        ends = list(accumulate(block.raw_bytes for block in blocks))

        def read(offset: int, count: int) -> bytes:
            first = bisect.bisect_right(ends, offset)
            last = bisect.bisect_left(ends, offset + count)
            lines = self._lines(blocks[first : last + 1])
            begin = offset - (ends[first - 1] if first else 0)
            return lines[begin : begin + count]

        return Pages(ends[-1] if ends else 0, read)

    def _lines(self, blocks: Sequence[Block]) -> bytes:
        """Of blocks in order of their ids. One SELECT and one decompressor for all: 40,000 blocks of one event each are
        counted in 0.3 s, with one for each of them in 3 s."""
        if not blocks:
            return b""
        found = self.all(
            "SELECT id, raw_bytes, events, hash FROM event_block WHERE project = ? AND id BETWEEN ? AND ? ORDER BY id",
            self.project, blocks[0].id, blocks[-1].id,
        )  # fmt: skip
        wanted = {block.id: block for block in blocks}
        decompressor = ZstdDecompressor()
        parts = []
        for row in found:
            if (block := wanted.get(row[0])) is not None:
                try:
                    parts.append(decode(StoredLines(*row), decompressor))
                except DatabaseFailed:
                    between = block.first_at, block.last_at
                    raise self._failed(damaged("waiting block", block.id, between=between)) from None
        return b"".join(parts)
