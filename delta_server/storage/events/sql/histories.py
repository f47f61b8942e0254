"""The views `records` and `field_values`: since when and until when a record of an array, or a value outside of
arrays, was the same.

The files are virtual, one for each array of an endpoint whose key is known, or for each endpoint's values, and named as
Hive names partitions: DuckDB opens none that a condition on `endpoint` or on the `path` of `records` rules out. Opening
one reads all versions of the endpoint.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import cast

import msgspec

from delta_server.core import ids
from delta_server.core.arrays import key_cache
from delta_server.core.diff.diff_settings import DiffSettings, rules
from delta_server.core.errors import DatabaseFailed, TooCostly
from delta_server.core.tables.intervals import IntervalReader
from delta_server.core.tables.leaves import LeafReader
from delta_server.core.tables.request import TableRequest, rules_at
from delta_server.storage.cache import Cache
from delta_server.storage.cold.pieces import ColdStorageAway
from delta_server.storage.contents import reading_now, store
from delta_server.storage.contents.rows import RecordedArrays, Version
from delta_server.storage.database import Tx
from delta_server.storage.events.duckdb.virtual_files import MadeFiles
from delta_server.storage.events.query.read_view import ReadView
from delta_server.storage.events.sql.documents import Reads, cut, escaped
from delta_server.storage.events.sql.views import HISTORIES, HISTORY_COLUMNS, MAX_ROWS, NO_HISTORIES, FileView

RECORDS, FIELD_VALUES = "records", "field_values"
MOST_BYTES = 48 << 20
"""Of the rows of one array."""
BODIES_BYTES, TEXTS_BYTES = 32 << 20, 128 << 20
"""Of caches: one text always fits."""
_LINE_BYTES = 16 << 20


class _File(msgspec.Struct, frozen=True):
    """`array` None: the values outside of arrays."""

    versions: tuple[Version, ...]
    array: str | None
    arrays: RecordedArrays | None


class HistoryFiles(MadeFiles):
    """Serves one request after the other; DuckDB opens files from several threads."""

    protocol = (RECORDS, FIELD_VALUES)

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._read_view: ReadView | None = None
        self._files: dict[str, _File] = {}
        self._bodies = self._texts = Cache(0)

    @contextmanager
    def holding(self, read_view: ReadView, names: frozenset[str]) -> Iterator[dict[str, FileView]]:
        """Those of the views that are named, whose files can be opened within the block. Raises TooCostly when the
        versions are too many."""
        tx = cast("Tx", Reads(read_view))
        versions = store.versions(tx, read_view.project, limit=MAX_ROWS + 1)
        if len(versions) > MAX_ROWS:
            raise TooCostly(f"the project has more than {MAX_ROWS} versions, which is more than SQL is given at once")
        arrays = {each.endpoint: each for each in store.recorded_arrays(tx, read_view.project)}
        self._read_view, self._bodies, self._texts = read_view, Cache(BODIES_BYTES), Cache(TEXTS_BYTES)
        views = {name: dict(_files(name, read_view.token, versions, arrays)) for name in names}
        self._files = {path: file for files in views.values() for path, file in files.items()}
        try:
            yield {name: _view(name, files) for name, files in views.items()}
        finally:
            self._read_view, self._files = None, {}
            self._bodies = self._texts = Cache(0)

    def _text(self, path: str) -> bytes:
        if self._read_view is None or path not in self._files:
            raise FileNotFoundError(path)
        with self._lock:
            text = self._texts.get(path)
            if text is None:
                text = self._made(self._read_view, self._files[path])
                self._texts.put(path, text)
            return text

    def _made(self, read_view: ReadView, file: _File) -> bytes:
        rows = _Lines()
        reader = _reader(file, rows)
        tx, endpoint = cast("Tx", Reads(read_view)), file.versions[0].endpoint
        snapshots = store.first_snapshots(tx, endpoint)
        try:
            for some in cut(file.versions):
                at = {version.content: version.captured_at for version in some}
                for content, body in reading_now.read_now(tx, self._bodies, read_view.cold, endpoint, list(at)):
                    reader.read(at[content], snapshots.get(at[content], bytes(16)), body)
        except (DatabaseFailed, ColdStorageAway, TooCostly) as error:
            read_view.failure = error
            raise
        if isinstance(reader, IntervalReader):
            reader.finish(file.versions[-1].captured_at)
        return rows.text()


class _Lines:
    """Rows in memory: see `Rows` in core/tables/intervals.py."""

    def __init__(self) -> None:
        self._begun: list[tuple[str | None, int, str, str]] = []
        self._ended: dict[int, int] = {}
        self._size = 0

    def begin(self, key: str | None, record: bytes, at_ms: int, snapshot: bytes) -> int:
        self._size += len(record) + 64
        if self._size > MOST_BYTES:
            raise TooCostly(
                f"an array has more than {MOST_BYTES >> 20} MiB of rows, which is more than SQL is given at once: take"
                " GET /v1/export/history"
            )
        self._begun.append((key, at_ms, ids.text(snapshot), record.decode(errors="replace")))
        return len(self._begun) - 1

    def end(self, row: int, at_ms: int) -> None:
        self._ended[row] = at_ms

    def sample(self, at_ms: int, rows: Sequence[int]) -> None:
        raise NotImplementedError

    def text(self) -> bytes:
        """As NDJSON; a line at least, for DuckDB opens no empty file."""
        lines = [
            {"key": key, "valid_from": begin, "valid_to": self._ended.get(row), "snapshot": snapshot, "value": value}
            for row, (key, begin, snapshot, value) in enumerate(self._begun)
        ]
        return msgspec.json.Encoder().encode_lines(lines) or b"\n"


def _reader(file: _File, rows: _Lines) -> IntervalReader | LeafReader:
    if file.array is None or file.arrays is None:
        return LeafReader(rows)
    settings = msgspec.json.decode(file.arrays.diff, type=DiffSettings)
    known = key_cache.known(msgspec.json.decode(file.arrays.found_keys, type=key_cache.Votes))
    return IntervalReader(TableRequest(array=file.array), rules_at(file.array, rules(settings, known)), rows)


def _files(
    name: str, token: str, versions: Sequence[Version], arrays: dict[int, RecordedArrays]
) -> Iterator[tuple[str, _File]]:
    for endpoint, each in groupby(versions, key=lambda version: version.endpoint):
        some = tuple(each)
        folder = f"{name}://{token}/endpoint={escaped(some[0].name)}"
        if name == FIELD_VALUES:
            yield f"{folder}/0", _File(some, None, None)
        elif endpoint in arrays:
            for array in _paths(arrays[endpoint]):
                yield f"{folder}/path={escaped(array)}/0", _File(some, array, arrays[endpoint])


def _paths(arrays: RecordedArrays) -> list[str]:
    """Of the arrays whose key is known, and that stand at one place."""
    named = msgspec.json.decode(arrays.diff, type=DiffSettings).array_keys
    found = msgspec.json.decode(arrays.found_keys, type=key_cache.Votes)
    return sorted(path for path in {*named, *found} if not {"*", "**"}.intersection(path.split("/")))


def _view(name: str, files: dict[str, _File]) -> FileView:
    """Paths are made of letters, digits and `%/=:`: safe inside SQL."""
    parts = "endpoint: 'VARCHAR', path: 'VARCHAR'" if name == RECORDS else "endpoint: 'VARCHAR'"
    scanned = sum(len(file.versions) for file in files.values())
    if not files:
        return FileView(NO_HISTORIES[name], 0, ())
    columns = ", ".join(f"{column}: '{kind}'" for column, kind in HISTORY_COLUMNS.items())
    read = (
        f"read_ndjson({list(files)}, columns = {{{columns}}}, hive_partitioning = true, hive_types = {{{parts}}},"
        f" maximum_object_size = {_LINE_BYTES})"
    )
    return FileView(f"{HISTORIES[name]} FROM {read}", scanned, tuple(files))
