"""Where rows come from: files, and whatever can be read from its beginning again."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal

from xxhash import xxh3_128

from delta_server.core.decompression import GZIP_MAGIC, WINDOW_BYTES, ZSTD_MAGIC, Undecodable, unpacked
from delta_server.core.errors import Invalid
from delta_server.core.rowdelta import csv_rows
from delta_server.core.rowdelta.ports import ReadAt, Source
from delta_server.core.rowdelta.reading import close
from delta_server.storage.rowdelta import parquet_file
from delta_server.storage.rowdelta.spill_file import SpillFile

Format = Literal["ndjson", "csv", "parquet"]
Opener = Callable[[], Iterator[bytes]]

_PIECE_BYTES = 64 << 10
_PARQUET_MAGIC = b"PAR1"


class CsvText:
    """CSV as it was delivered, unpacked: the Text of a source (core/rowdelta/ports.py). `file` is an open file that has
    it, if there is one."""

    def __init__(self, opener: Opener, file: int | None = None) -> None:
        self._opener, self.file = opener, file
        self._digest = xxh3_128()

    def open(self) -> Iterator[bytes]:
        digest = xxh3_128()
        pieces = self._opener()
        try:
            for piece in pieces:
                digest.update(piece)
                yield piece
        finally:
            close(pieces)
        self._digest = digest

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    @property
    def read_at(self) -> ReadAt | None:
        if (file := self.file) is None:
            return None
        return lambda offset, size: os.pread(file, size, offset)


class StreamSource:
    """What `opener` reads, from the beginning each time: NDJSON or CSV, packed with gzip or zstd or not. `name` stands
    in messages."""

    read_at: ReadAt | None = None

    def __init__(
        self,
        opener: Opener,
        *,
        name: str,
        format: Literal["ndjson", "csv"] = "ndjson",
        window_bytes: int = WINDOW_BYTES,
        file: int | None = None,
    ) -> None:
        """`file`: an open one that has what `opener` reads."""
        self._opener, self._name, self._window_bytes = opener, name, window_bytes
        self.text = CsvText(self._unpacked, file) if format == "csv" else None

    @property
    def takes_long(self) -> bool:
        return self.text is not None

    def open(self) -> Iterator[bytes]:
        return self._unpacked() if self.text is None else csv_rows.ndjson(self.text.open(), self._name)

    def _unpacked(self) -> Iterator[bytes]:
        pieces = self._opener()
        try:
            yield from unpacked(pieces, window_bytes=self._window_bytes)
        except Undecodable as error:
            raise Invalid(f"{self._name} {error}") from None
        finally:
            close(pieces)


class SpooledSource:
    """One that takes long to read: kept on disk when it is read to its end first, in a file without a name."""

    def __init__(self, source: Source, directory: Path) -> None:
        self._source, self._kept, self._is_whole = source, SpillFile(directory), False

    def open(self) -> Iterator[bytes]:
        self._is_whole = False
        self._kept.begin_again()
        for piece in self._source.open():
            self._kept.write(piece)
            self._kept.flush()
            yield piece
        self._is_whole = True

    @property
    def file(self) -> int:
        """The open file, which has what `open` yielded so far. Raises Unavailable."""
        return self._kept.file

    @property
    def read_at(self) -> ReadAt | None:
        return self._kept.read if self._is_whole else None

    def close(self) -> None:
        self._kept.close()


class SpooledText(SpooledSource):
    def __init__(self, text: CsvText, directory: Path) -> None:
        super().__init__(text, directory)
        self._text = text

    @property
    def digest(self) -> str:
        return self._text.digest


class FileSource:
    """A file, of the format that its name ends with (.csv, .parquet; else NDJSON), packed or not."""

    def __init__(
        self, path: Path, format: Format | None = None, *, name: str = "", window_bytes: int = WINDOW_BYTES
    ) -> None:
        """`name` stands in messages, that of the file by default. Raises OSError, Invalid."""
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        found = os.fstat(self._file)
        if not stat.S_ISREG(found.st_mode):
            self.close()
            raise Invalid(f"{path} is no file that can be read twice: save the rows in one first")
        self.size_bytes, self.passed = found.st_size, 0
        """`passed`: the bytes that were read since it was opened last."""
        first = os.pread(self._file, len(ZSTD_MAGIC), 0)
        self._packed = first.startswith(GZIP_MAGIC) or first == ZSTD_MAGIC
        self._format = format or ("parquet" if first == _PARQUET_MAGIC else text_format(path.name))
        self._path, self._name = path, name or path.name
        self._lines: StreamSource | None = None
        if self._format != "parquet":
            file = None if self._packed else self._file
            self._lines = StreamSource(
                self._pieces, name=self._name, format=self._format, window_bytes=window_bytes, file=file
            )

    def open(self) -> Iterator[bytes]:
        return parquet_file.read(self._path, self._name) if self._lines is None else self._lines.open()

    @property
    def text(self) -> CsvText | None:
        """Of CSV."""
        return None if self._lines is None else self._lines.text

    @property
    def takes_long(self) -> bool:
        return self._format != "ndjson"

    @property
    def file(self) -> int | None:
        """The open file, if it has what `open` yields."""
        return None if self._packed or self._format != "ndjson" else self._file

    @property
    def read_at(self) -> ReadAt | None:
        if (file := self.file) is None:
            return None
        return lambda offset, size: os.pread(file, size, offset)

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> "FileSource":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _pieces(self) -> Iterator[bytes]:
        self.passed = 0
        while piece := os.pread(self._file, _PIECE_BYTES, self.passed):
            self.passed += len(piece)
            yield piece


def text_format(name: str) -> Literal["ndjson", "csv"]:
    """Of a file that is not Parquet, by its name."""
    return "csv" if name.lower().removesuffix(".gz").removesuffix(".zst").endswith(".csv") else "ndjson"
