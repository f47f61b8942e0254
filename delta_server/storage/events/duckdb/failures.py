"""DuckDB's errors as callers see them: what to do about it, and nothing of paths, tokens or other tenants."""

import errno
import logging
import re

import apsw

from delta_server.core import times
from delta_server.core.errors import DatabaseFailed, DeltaError, Invalid, TooCostly, Unavailable
from delta_server.storage.sqlite.disk_reserve import disk_full_error
from delta_server.storage.sqlite.transaction import translate

log = logging.getLogger(__name__)

_STORED = re.compile(r"(?:segment|rollup|hot|table)://[0-9a-f]{32}/")
"""A path of duckdb/virtual_files.py: the request may hold :// too."""
_INNER = re.compile(r"\w://|/\w+/|0x[0-9a-f]{6}", re.IGNORECASE)
"""Linear in the text's length: DuckDB repeats whole values of the request in what it says."""
_SHOWN = 300
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_SPACE = re.compile(rf"OSError: \[Errno ({'|'.join(map(str, _FULL))})\]")

_FILE = re.compile(
    r"parquet|thrift|TProtocol|TTransport|snappy|\bzstd|ZSTD|DELTA_|RLE|page header|row group|column chunk|dictionary"
    r"|Malformed JSON|Out of buffer|bit ?pack",
    re.IGNORECASE,
)
"""Words of what DuckDB says of the contents of a file. A request may hold them too."""
_NO_PATTERN = re.compile(
    r"missing [])]:|unexpected \)|trailing \\|no argument for repetition|bad repetition|"
    r"invalid (?:escape sequence|character class|repetition size|perl operator|named capture group|UTF-8)"
)
"""How RE2 begins what it says of a regular expression."""


class NoMemory(TooCostly):
    """What is left of the memory for queries was not enough."""


_BYTES = "its bytes are not what was stored"


def damaged(what: str, id: int, why: str = _BYTES, *, between: tuple[int, int] | None = None) -> DatabaseFailed:
    """`what` is a segment, a rollup, a waiting block; `between` are the times of its first and last event."""
    of = f" (from {times.format(between[0])} to {times.format(between[1])})" if between else ""
    return DatabaseFailed(f"the {what} {id} of events is damaged: {why}{of}; run delta-server verify for the rest")


def too_long(seconds: float) -> TooCostly:
    return TooCostly(
        f"the query ran longer than events.query_seconds ({seconds:g} s): ask for a shorter time range or less detail"
    )


class HeldTooLong(Unavailable):
    """It was ended because the write-ahead log was long: it may run again, for that is short now."""

    def __init__(self) -> None:
        super().__init__("so much was written while this was read that it had to end: try again", retry_after_s=5)


def translated(error: Exception) -> Exception:
    """The error to raise instead; `error` itself when it is a mistake of the server, which is logged as one."""
    if isinstance(error, DeltaError):
        return error
    if isinstance(error, apsw.Error):
        return translate(error)
    if _is_full(error):
        log.warning("a query found the disk full", exc_info=error)
        return disk_full_error("and the query needs some of it for a while")
    import duckdb

    match error:
        case duckdb.OutOfMemoryException():
            return NoMemory(
                "the query needs more than events.query_memory_bytes: ask for a shorter time range, fewer keys or less"
                " detail"
            )
        case duckdb.InterruptException():
            return Unavailable("the query was stopped: try again")
        case duckdb.InvalidInputException() if _STORED.search(str(error)):
            log.error("stored events cannot be read", exc_info=error)
            return DatabaseFailed("stored events cannot be read: delta-server verify names them; restore a backup")
        case duckdb.ConversionException() | duckdb.OutOfRangeException() | duckdb.InvalidInputException():
            return Invalid(first_line(error))
        case duckdb.IOException():
            log.warning("a query could not read or write", exc_info=error)
            return Unavailable("the disk failed or is full while a query ran: try again later", retry_after_s=60)
        case duckdb.Error() if "FileNotFoundError" in str(error):
            return Invalid("the query names a file that is not there")
        case _:
            return error


def _is_full(error: Exception) -> bool:
    """DuckDB reports what a file of ours raised in its own words, with Python's behind."""
    return (isinstance(error, OSError) and error.errno in _FULL) or bool(_NO_SPACE.search(str(error)))


def is_of_a_file(error: Exception) -> bool:
    """Whether DuckDB may mean what is stored, and not the query: then the files are checked."""
    text = str(error)
    if _NO_PATTERN.match(text.partition("Error: ")[2]) or "Traceback (most" in text:  # a mistake of our own files
        return False
    return bool(_STORED.search(text) or _FILE.search(text))


def first_line(error: Exception) -> str:
    """What DuckDB says is wrong with the request, without its class, or a sentence when it names things inside."""
    line = str(error).partition("\n")[0].partition("Error: ")[2].strip()
    if not line or _INNER.search(line):
        return "a value cannot be used in this query"
    line = line if len(line) <= _SHOWN else line[:_SHOWN] + "..."
    return f"a regular expression cannot be read: {line}" if _NO_PATTERN.match(line) else line
