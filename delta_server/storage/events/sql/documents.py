"""The view `documents`: each version of each endpoint's document, decoded when DuckDB opens the file it is in.

The files are virtual, some versions of one endpoint each, and named as Hive names partitions: DuckDB opens none that a
condition on `endpoint` or `latest` rules out, so the newest document costs one decode however long the history is.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, cast

import msgspec

from delta_server.core.errors import DatabaseFailed, TooCostly
from delta_server.core.json import surrogates
from delta_server.storage.cache import Cache
from delta_server.storage.cold.pieces import ColdStorageAway
from delta_server.storage.contents import reading_now, store
from delta_server.storage.contents.rows import Version
from delta_server.storage.database import Row, Tx
from delta_server.storage.events.duckdb.virtual_files import MadeFiles
from delta_server.storage.events.query.read_view import ReadView
from delta_server.storage.events.sql.views import DOCUMENTS, MAX_ROWS, NO_DOCUMENTS, FileView

NAME = "documents"
LARGEST_BYTES = 4 << 20
"""The document of a larger version is null: a line of DuckDB's, in which quotes take two bytes, has to have an end."""
FILE_BYTES = 2 << 20
"""From so many bytes on a file ends with its pack, from four times as many in any case."""
CACHE_BYTES = 32 << 20
_LINE_BYTES = 2 * LARGEST_BYTES + 1024


class DocumentFiles(MadeFiles):
    """Serves one request after the other; DuckDB opens files from several threads."""

    protocol = NAME

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._read_view: ReadView | None = None
        self._files: dict[str, tuple[Version, ...]] = {}
        self._bodies = self._texts = Cache(0)

    @contextmanager
    def holding(self, read_view: ReadView) -> Iterator[FileView]:
        """The view, whose files can be opened within the block. Raises TooCostly when the versions are too many."""
        versions = store.versions(cast("Tx", Reads(read_view)), read_view.project, limit=MAX_ROWS + 1)
        if len(versions) > MAX_ROWS:
            raise TooCostly(f"the project has more than {MAX_ROWS} {NAME}, which is more than SQL is given at once")
        self._read_view, self._bodies, self._texts = read_view, Cache(CACHE_BYTES), Cache(CACHE_BYTES)
        self._files = dict(_files(read_view.token, versions))
        try:
            yield FileView(_view(list(self._files)), len(versions), tuple(self._files))
        finally:
            self._read_view, self._files = None, {}
            self._bodies = self._texts = Cache(0)

    def _text(self, path: str) -> bytes:
        if self._read_view is None or path not in self._files:
            raise FileNotFoundError(path)
        with self._lock:
            text = self._texts.get(path)
            if text is None:
                text = self._decoded(self._read_view, self._files[path])
                self._texts.put(path, text)
            return text

    def _decoded(self, read_view: ReadView, versions: Sequence[Version]) -> bytes:
        small = [version.content for version in versions if version.size <= LARGEST_BYTES]
        tx = cast("Tx", Reads(read_view))
        try:
            bodies = dict(reading_now.read_now(tx, self._bodies, read_view.cold, versions[0].endpoint, small))
        except (DatabaseFailed, ColdStorageAway) as error:
            read_view.failure = error
            raise
        return b"\n".join(_line(version, bodies.get(version.content)) for version in versions)


class Reads:
    """What store functions that only read ask of a transaction."""

    def __init__(self, read_view: ReadView) -> None:
        self.all = read_view.all

    def one(self, sql: str, *params: Any) -> Row | None:
        return next(iter(self.all(sql, *params)), None)


def _view(paths: Sequence[str]) -> str:
    """Paths are made of letters, digits and `%/=:`: safe inside SQL."""
    if not paths:
        return NO_DOCUMENTS
    return (
        f"{DOCUMENTS} FROM read_ndjson({list(paths)}, columns = {{captured_at: 'BIGINT', document: 'VARCHAR'}},"
        f" hive_partitioning = true, hive_types = {{endpoint: 'VARCHAR', latest: 'BOOLEAN'}},"
        f" maximum_object_size = {_LINE_BYTES})"
    )


def _files(token: str, versions: Sequence[Version]) -> Iterator[tuple[str, tuple[Version, ...]]]:
    """Each file's path and its versions, which are given in order of endpoint and time."""
    for _, each in groupby(versions, key=lambda version: version.endpoint):
        *older, latest = each
        folder = f"{NAME}://{token}/endpoint={escaped(latest.name)}"
        for number, some in enumerate(cut(older)):
            yield f"{folder}/latest=false/{number}", tuple(some)
        yield f"{folder}/latest=true/0", (latest,)


def cut(versions: Sequence[Version]) -> Iterator[list[Version]]:
    """Versions of one pack together, as that is decoded at once."""
    some: list[Version] = []
    size = 0
    for version in versions:
        if some and (size >= 4 * FILE_BYTES or (size >= FILE_BYTES and version.pack != some[-1].pack)):
            yield some
            some, size = [], 0
        some.append(version)
        size += version.size
    if some:
        yield some


def escaped(name: str) -> str:
    """For a path: DuckDB takes `%41` for `A` again. Underscores too: `__HIVE_DEFAULT_PARTITION__` stands for NULL."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 0x80 else f"%{byte:02X}" for byte in name.encode())


def _line(version: Version, body: bytes | None) -> bytes:
    document = None if body is None else surrogates.replaced(body).decode(errors="replace")
    return msgspec.json.encode({"captured_at": version.captured_at, "document": document})
