"""A delivery on its way in: decoded, checked, counted and compressed, piece by piece.

NDJSON is checked line by line and stored with a line end behind each, CSV as its bytes are; both compressed with zstd.
Parquet, which is compressed already, is stored as it comes. Never more than a piece and a row is held.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256

import msgspec
import zstandard

from delta_server.core.datasets.manifest import Format
from delta_server.core.decompression import Decoder, Undecodable, ZstdDecoder, gzip_decoder
from delta_server.core.errors import BadRequest, Invalid, TooLarge
from delta_server.core.rowdelta import mistakes
from delta_server.core.rowdelta.row_keys import RowReader

_LEVEL = 1
_MAGIC = b"PAR1"
_SMALLEST = 12
"""Bytes of a Parquet file: those, the length of its footer, and those again."""
_BLANK = b" \t\r\n"
PART_BYTES = 128 << 10
"""What is looked at together: short rows take a hundred times their size meanwhile."""


class Trailer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line of a delivery whose sender says how much came before it: rows, and the SHA-256 of their bytes."""

    rows: int
    sha256: str | None = None


class Done(msgspec.Struct, frozen=True):
    rows: int | None
    size_bytes: int
    sha256: str


class Intake:
    """`feed` what comes, then `end`; both give what is to be stored. Used on one thread at a time."""

    def __init__(
        self, form: Format, encoding: str | None, *, most_bytes: int, row_bytes: int, has_trailer: bool = False
    ) -> None:
        self._decoder = None if encoding is None else _DECODERS[encoding]()
        self._compressor = None if form == "parquet" else zstandard.ZstdCompressor(level=_LEVEL).compressobj()
        self._rows = _Rows(row_bytes, has_trailer=has_trailer) if form == "ndjson" else None
        self._edges = _Edges() if form == "parquet" else None
        self._most_bytes = most_bytes
        self._decoded_bytes = 0
        self._size = 0
        self._sha = sha256()

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Of a small part each: a piece may be very much more than it looks. Raises BadRequest, Invalid, TooLarge."""
        try:
            for decoded in [piece] if self._decoder is None else self._decoder.feed(piece):
                for start in range(0, len(decoded), PART_BYTES):
                    yield self._take(decoded[start : start + PART_BYTES])
        except Undecodable as error:
            raise BadRequest(f"the body {error}") from None

    def _take(self, part: bytes) -> bytes:
        self._decoded_bytes += len(part)
        if self._decoded_bytes > self._most_bytes:
            raise TooLarge(f"the delivery is larger than {self._most_bytes} bytes, the limit datasets.delivery_bytes")
        if self._edges is not None:
            self._edges.see(part)
        return self._keep(part if self._rows is None else self._rows.take(part))

    def _keep(self, content: bytes) -> bytes:
        self._size += len(content)
        self._sha.update(content)
        return content if self._compressor is None else self._compressor.compress(content)

    def end(self) -> tuple[bytes, Done]:
        """Raises BadRequest, Invalid: it was cut short, or is not what its trailer says."""
        try:
            if self._decoder is not None:
                self._decoder.end()
        except Undecodable as error:
            raise BadRequest(f"the body {error}") from None
        if self._edges is not None:
            self._edges.check()
        rest = b"" if self._rows is None else self._keep(self._rows.end(self._sha.hexdigest))
        last = b"" if self._compressor is None else self._compressor.flush()
        rows = None if self._rows is None else self._rows.count
        return rest + last, Done(rows, self._size, self._sha.hexdigest())


class _Rows:
    def __init__(self, row_bytes: int, *, has_trailer: bool) -> None:
        self.count = self._lines = 0
        self._row_bytes = row_bytes
        self._begun = bytearray()
        self._held = b""
        """The line that may be the trailer, with what is behind it."""
        self._has_trailer = has_trailer
        self._begin = b""

    def take(self, part: bytes) -> bytes:
        """The whole lines there are now."""
        end = part.rfind(b"\n") + 1
        lines = b""
        if end:
            lines, self._begun = bytes(self._begun) + part[:end], bytearray()
        self._begun += part[end:]
        if self._has_trailer:
            lines = self._held + lines
            begin = lines.rstrip(_BLANK).rfind(b"\n") + 1
            lines, self._held = lines[:begin], lines[begin:]
        checked = self._checked(lines)
        if len(self._begun) > self._row_bytes:
            raise self._too_large(self._lines + self._held.count(b"\n") + 1)
        return checked

    def end(self, digest: Callable[[], str]) -> bytes:
        rest = bytes(self._begun) if self._begun.strip(_BLANK) else b""
        if self._has_trailer:
            if rest:
                raise BadRequest("the delivery does not end with a trailer and a line end: it was cut short")
            self._check_trailer(digest())
        last = self._checked(rest + b"\n") if rest else b""
        if self.count == 1:
            mistakes.check_one_row(self._begin, "the delivery")
        return last

    def _checked(self, lines: bytes) -> bytes:
        rows = _rows(lines)
        if rows is None:
            rows = _rows(b"\n".join(each for each in lines.split(b"\n") if each.strip()))  # without blank lines
        if rows is None:
            raise self._broken(lines)
        if len(lines) > self._row_bytes:
            for number, line in enumerate(lines.split(b"\n"), self._lines + 1):
                if len(line.strip(_BLANK)) > self._row_bytes:
                    raise self._too_large(number)
        if rows and not self.count:
            self._begin = mistakes.start(lines.lstrip(_BLANK))
        self.count += len(rows)
        self._lines += lines.count(b"\n")
        return lines

    def _broken(self, lines: bytes) -> Invalid:
        number, broken = next(
            (number, line)
            for number, line in enumerate(lines.split(b"\n"), self._lines + 1)
            if line.strip() and len(_rows(line) or ()) != 1
        )
        reason = f"line {number} is not JSON"
        try:
            _READER.read(broken, [broken], "the delivery", number)
        except Invalid as error:
            reason = error.message
        return Invalid(f"{reason}: a delivery has one JSON value a line", field="body")

    def _too_large(self, number: int) -> TooLarge:
        return TooLarge(f"line {number} is larger than {self._row_bytes} bytes, the limit datasets.row_bytes")

    def _check_trailer(self, digest: str) -> None:
        try:
            found = _TRAILER.decode(self._held or b"")
        except msgspec.MsgspecError:
            raise BadRequest('the last line is no trailer such as {"rows": 3}: the delivery was cut short') from None
        if found.rows != self.count or (found.sha256 is not None and found.sha256.lower() != digest):
            raise BadRequest(f"{self.count} rows came with SHA-256 {digest}, which is not what the trailer says")


def _rows(lines: bytes) -> list[msgspec.Raw] | None:
    """The value of each line, all checked at once as an array; None where a line is none. No value goes over lines."""
    lines = lines.rstrip(_BLANK)
    try:
        lines.decode()
        rows = _ARRAY.decode(b"[%b]" % lines.replace(b"\n", b"\n,"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    is_one_a_line = len(rows) == (lines.count(b"\n") + 1 if lines else 0) and b"\n" not in b"".join(rows)
    return rows if is_one_a_line else None


_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_READER = RowReader(())
_TRAILER = msgspec.json.Decoder(Trailer)


class _Edges:
    """A Parquet file begins and ends with the same four bytes."""

    def __init__(self) -> None:
        self._first = self._last = b""
        self._size = 0

    def see(self, part: bytes) -> None:
        self._size += len(part)
        self._first = (self._first + part[:4])[:4]
        self._last = (self._last + part[-4:])[-4:]

    def check(self) -> None:
        if self._first != _MAGIC or self._last != _MAGIC or self._size < _SMALLEST:
            raise BadRequest("this is no Parquet file, or one that was cut short")


_DECODERS: dict[str, Callable[[], Decoder]] = {"gzip": gzip_decoder, "zstd": ZstdDecoder}
