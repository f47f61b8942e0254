"""Backups: the whole database in one zstd file, consistent while it is written to.

`zstd -d` makes an ordinary SQLite file of one. One state of the database is copied into a temporary file beside the
target (sqlite/online_copy.py), which is checked and compressed; a target that has its name is whole and on the disk.
Memory is constant; the disk must have room for the copy and the backup.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import apsw
import msgspec
import zstandard

from delta_server.core.errors import DeltaError
from delta_server.storage.backup_source import BackupSource
from delta_server.storage.cold import of_backups
from delta_server.storage.cold.of_backups import Named
from delta_server.storage.sqlite.connection import APPLICATION_ID, Tuning, open_writer
from delta_server.storage.sqlite.directory_lock import new_or_used
from delta_server.storage.sqlite.migrate import sync_path
from delta_server.storage.sqlite.online_copy import LiveCopy
from delta_server.storage.sqlite.schema import packaged
from delta_server.storage.staged_restore import note_of_command
from delta_server.storage.system_clock import SystemClock

BytesProgress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""

WAL_BYTES = 256 << 20
LOG_BYTES = 32 << 20
"""Of the log, what is written back at once: 0.1 s while others write, and some milliseconds while nobody does."""
CHUNK_BYTES = 1 << 20
LEFT_FREE_BYTES = 16 << 20
"""Where a backup is unpacked."""
COPY_NAME = "backup.copy"
"""What is sent to a pipe, while it is sent."""
VERIFIED_NAME = "backup.verified"
"""What a backup is unpacked into that is only verified."""
_LEVEL = 3
_WAL_FILES = ("-wal", "-shm", "-journal")


class BackupRefused(DeltaError):
    """The backup cannot be made or restored; the message says why and what to do."""


class Copied(msgspec.Struct, frozen=True):
    """`cold` is what it names in cold storage, where that was looked for."""

    database_bytes: int
    backup_bytes: int
    cold: Named | None = None


def back_up(
    database: Path, target: Path, *, progress: BytesProgress, wal_bytes: int = WAL_BYTES, overwrite: bool = False
) -> Copied:
    """Write a backup of `database` to `target`, whether a server runs on it or not. Blocks. The write-ahead log is let
    go of long before it is `wal_bytes` long.

    Raises BackupRefused when `target` exists or lies in the data directory, the copy is damaged, or the disk cannot
    hold it.
    """
    _refuse_names_of_the_server(database, target)
    if target.exists() and not overwrite:
        raise BackupRefused(f"{target} exists: name another file, or pass --overwrite")
    copy, packed = target.with_name(target.name + ".copy"), target.with_name(target.name + ".part")
    try:
        with _exclusive(copy), _removed(copy), _removed(packed):
            _copy(database, copy, progress, wal_bytes)
            _check(copy, progress)
            database_bytes = copy.stat().st_size
            _compress(copy, packed, progress)
            _compare(packed, copy, progress)
            backup_bytes = packed.stat().st_size
            packed.replace(target)
            sync_path(target.parent)
            cold = of_backups.named_in(copy)  # a store that hangs keeps no backup from being there
    except OSError as error:
        raise BackupRefused(f"the backup cannot be written: {error.filename or target}: {error.strerror}") from error
    except apsw.Error as error:
        raise BackupRefused(f"the backup was not made: {error}") from error
    return Copied(database_bytes, backup_bytes, cold)


def _refuse_names_of_the_server(database: Path, target: Path) -> None:
    """With `overwrite`, delta.db itself, or its log, would be replaced by the backup while it is served."""
    if target.absolute().parent.resolve() == database.absolute().parent.resolve():
        raise BackupRefused(
            f"{target} lies in the data directory, whose names are the server's: name a file elsewhere, best on another"
            " disk"
        )


def back_up_into(database: Path, out: BinaryIO, *, progress: BytesProgress, wal_bytes: int = WAL_BYTES) -> Copied:
    """As `back_up`, written to a pipe: the copy lies beside the database meanwhile, one at a time. It is checked, but
    who reads must see to the backup being whole: its last bytes are a checksum."""
    copy = database.with_name(COPY_NAME)
    try:
        with _exclusive(copy), _removed(copy):
            _copy(database, copy, progress, wal_bytes)
            _check(copy, progress)
            backup_bytes = _compress_file(copy, out, progress)
            return Copied(copy.stat().st_size, backup_bytes)
    except OSError as error:
        raise BackupRefused(f"the backup cannot be written: {error.strerror}") from error
    except apsw.Error as error:
        raise BackupRefused(f"the backup was not made: {error}") from error


def delete_unfinished(database: Path) -> None:
    """Delete the copy of a `back_up_into`, or of a `verify`, that ended by force, or with the machine."""
    for name in (COPY_NAME, VERIFIED_NAME):
        copy = database.with_name(name)
        with suppress(BackupRefused):
            if copy.exists():
                with _exclusive(copy), _removed(copy):
                    pass


def verify(source: Path, database: Path, *, progress: BytesProgress) -> int:
    """Unpack `source` beside `database`, check it as `restore` does, and delete it again; its size. Blocks. A server
    may run meanwhile. Raises BackupRefused."""
    if not source.is_file():
        raise BackupRefused(f"{source} is a pipe or a device: write the backup to a file and verify that")
    with source.open("rb") as file:
        return verify_stream(file, database, progress=progress, of=source.stat().st_size, name=str(source))


def verify_stream(
    file: BinaryIO,
    database: Path,
    *,
    progress: BytesProgress,
    of: int = 0,
    name: str = "the backup",
    kept: Path | None = None,
) -> int:
    """As `verify`, of what is read from `file`; what it names in cold storage must be there, too. What is sound gets
    the name `kept`, where one is given."""
    unpacked = database.with_name(VERIFIED_NAME)
    try:
        with _exclusive(unpacked), _removed(unpacked):
            _unpack(file, unpacked, progress, of=of, name=name)
            _check(unpacked, progress)
            progress("looking into cold storage", 0, 0)
            if (fault := of_backups.named_in(unpacked).fault) is not None:
                raise BackupRefused(fault)
            size = unpacked.stat().st_size
            if kept is not None:
                sync_path(unpacked)
                unpacked.replace(kept)
                sync_path(kept.parent)
            return size
    except OSError as error:
        reason = f"{error.filename or unpacked.parent}: {error.strerror}"
        raise BackupRefused(f"the backup cannot be verified: {reason}") from error


def restore(
    source: Path,
    data_dir: Path,
    name: str,
    *,
    progress: BytesProgress,
    overwrite: bool = False,
    allow_missing: bool = False,
) -> tuple[int, Named]:
    """Make `source` the database `name` of `data_dir`; returns its size, and what it names in cold storage. Blocks.

    The file is unpacked and checked under another name first: until it takes its place nothing has changed. Raises
    BackupRefused, also when something is not in cold storage any more and `allow_missing` does not say that this may
    be; and DataDirRefused when a server uses the directory.
    """
    with new_or_used(data_dir):
        try:
            restored = _restored(source, data_dir / name, progress, overwrite=overwrite, allow_missing=allow_missing)
            note_of_command(data_dir, source.name, SystemClock().now_ms())
            return restored
        except OSError as error:
            # A write that fails, of a full disk say, names no file.
            reason = f"{error.filename or data_dir}: {error.strerror}"
            raise BackupRefused(f"the backup cannot be restored: {reason}") from error


def _restored(
    source: Path, database: Path, progress: BytesProgress, *, overwrite: bool, allow_missing: bool
) -> tuple[int, Named]:
    if database.exists() and database.stat().st_size and not overwrite:
        raise BackupRefused(f"{database.parent} has a database: restore into another directory, or pass --overwrite")
    unpacked = database.with_name(database.name + ".restoring")
    with _removed(unpacked):
        _decompress(source, unpacked, progress)
        _check(unpacked, progress)
        progress("looking into cold storage", 0, 0)
        named = of_backups.named_in(unpacked)
        if named.fault is not None and not allow_missing:
            raise BackupRefused(f"{named.fault}: pass --allow-missing to restore all the rest")
        of_backups.hold(unpacked)
        sync_path(unpacked)
        _checkpoint_and_truncate(database)
        size = unpacked.stat().st_size
        unpacked.replace(database)
        sync_path(database.parent)
    return size, named


def _copy(database: Path, copy: Path, progress: BytesProgress, wal_bytes: int) -> None:
    _create(copy)
    with ExitStack() as opened:
        file = opened.enter_context(copy.open("r+b", buffering=0))
        live = LiveCopy(database, file.fileno(), log_bytes=min(LOG_BYTES, wal_bytes // 4), opened=opened)
        live.run(partial(progress, "copying"))
    sync_path(copy)


def _check(path: Path, progress: BytesProgress) -> None:
    """Raises BackupRefused unless `path` is a sound database that this program can open."""
    progress("checking", 0, 0)
    try:
        connection = apsw.Connection(
            f"file:{_quoted(path)}?immutable=1", apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
        try:
            owner, version = connection.pragma("application_id"), connection.pragma("user_version")
            faults = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)") if row[0] != "ok"]
        finally:
            connection.close()
    except apsw.Error as error:
        raise BackupRefused(f"the database cannot be read: {error}") from error
    if owner != APPLICATION_ID:
        raise BackupRefused("this is not a database of Delta")
    if version > len(packaged()):
        raise BackupRefused(f"the database was made by a newer Delta (schema {version}): use that version")
    if faults:
        raise BackupRefused(f"the database is damaged: {'; '.join(faults)}")


def _quoted(path: Path) -> str:
    return path.absolute().as_uri().removeprefix("file://")


def _compress(source: Path, target: Path, progress: BytesProgress) -> None:
    _create(target)
    with target.open("wb") as out:
        _compress_file(source, out, progress)
    sync_path(target)


def _compress_file(source: Path, out: BinaryIO, progress: BytesProgress) -> int:
    """How many bytes were written."""
    size = source.stat().st_size
    packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj(size=size)
    written = 0
    with source.open("rb") as whole:
        for done, chunk in _chunks(whole):
            written += out.write(packer.compress(chunk))
            progress("compressing", done, size)
    return written + out.write(packer.flush())


def _compare(packed: Path, copy: Path, progress: BytesProgress) -> None:
    """Raises BackupRefused unless `packed` reads back as `copy`."""
    size = copy.stat().st_size
    with copy.open("rb") as whole, packed.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as again:
        for done, chunk in _chunks(whole):
            if again.read(len(chunk)) != chunk:
                raise BackupRefused("the backup does not read back as it was written: check the disk")
            progress("verifying", done, size)
        if again.read(1):
            raise BackupRefused("the backup does not read back as it was written: check the disk")


def _decompress(source: Path, target: Path, progress: BytesProgress) -> None:
    """A backup, or a plain SQLite file, as a database file."""
    if not source.is_file():
        raise BackupRefused(f"{source} is a pipe or a device: write the backup to a file and restore that")
    if source.with_name(source.name + "-wal").exists():
        raise BackupRefused(f"{source} has a write-ahead log beside it: make a backup of it with `delta-server backup`")
    with source.open("rb") as file:
        _unpack(file, target, progress, of=source.stat().st_size, name=str(source))
    sync_path(target)


def _unpack(file: BinaryIO, target: Path, progress: BytesProgress, *, of: int, name: str) -> None:
    """`of` so many bytes, 0 where that is not known."""
    _create(target)
    with target.open("wb") as out:
        source, written = BackupSource(file), 0
        try:
            whole = of if source.is_plain else source.content_bytes()
            _refuse_without_room(target.parent, whole)
            unpacker = zstandard.ZstdDecompressor()
            for written, chunk in _chunks(  # noqa: B007 - read behind the loop
                source if source.is_plain else unpacker.stream_reader(cast("BinaryIO", source))
            ):
                out.write(chunk)
                source.count(chunk)
                progress("unpacking", source.read_bytes, of)
        except zstandard.ZstdError:
            raise BackupRefused(f"{name} is damaged or not a backup of Delta") from None
    if whole < 0:
        raise BackupRefused(f"{name} does not say how long it is: unpack it (zstd -d) and restore what comes out")
    if written > whole and not (source.is_plain and not of):
        raise BackupRefused(f"{name} holds more than one backup: {written} bytes where it says {whole}")
    if written < whole:  # zstandard reads a frame that was cut off without an error
        raise BackupRefused(f"{name} ends too early: {written} of {whole} bytes are in it")
    if not source.ends_with_checksum():
        raise BackupRefused(f"{name} does not end with its checksum: it was cut off, or something stands behind it")


def _refuse_without_room(directory: Path, size: int) -> None:
    """Before anything is written: a server may run on this disk."""
    free = shutil.disk_usage(directory).free
    if size + LEFT_FREE_BYTES > free:
        raise BackupRefused(
            f"{directory} has {free / 1e6:.0f} MB free, and the database takes {size / 1e6:.0f} MB, beside"
            f" {LEFT_FREE_BYTES >> 20} MB that are left free: make room, or use another disk"
        )


def _chunks(file: BinaryIO | BackupSource | zstandard.ZstdDecompressionReader) -> Iterator[tuple[int, bytes]]:
    """Pieces, each with the number of bytes up to its end."""
    done = 0
    while chunk := file.read(CHUNK_BYTES):
        done += len(chunk)
        yield done, chunk


def _checkpoint_and_truncate(database: Path) -> None:
    """Empty the write-ahead log of the present database: left behind, it would be applied to the restored one."""
    if database.exists() and database.stat().st_size:
        try:
            open_writer(database, Tuning()).close()
        except apsw.Error as error:
            raise BackupRefused(f"the present database is damaged ({error}): restore into another directory") from error
    if left := [database.name + end for end in _WAL_FILES if database.with_name(database.name + end).exists()]:
        raise BackupRefused(f"{', '.join(left)} is in use: stop what reads the database, then restore again")


def _create(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))


@contextmanager
def _exclusive(copy: Path) -> Iterator[None]:
    """Raises BackupRefused when another process makes this copy. The kernel releases the lock of a killed process."""
    path = copy.with_name(copy.name + ".lock")
    lock = _locked(path)
    try:
        yield
    finally:
        path.unlink()  # while it is locked: see _locked
        os.close(lock)


def _locked(path: Path) -> int:
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), path.stat()):
                    return lock
        except BaseException as error:
            os.close(lock)
            if isinstance(error, BlockingIOError):
                raise BackupRefused("another backup is being made: wait until it has ended") from None
            raise
        os.close(lock)  # its owner ended, and its name with it, since it was opened


@contextmanager
def _removed(path: Path) -> Iterator[None]:
    """Whatever happens, nothing of that name is left."""
    try:
        yield
    finally:
        for end in ("", *_WAL_FILES):
            path.with_name(path.name + end).unlink(missing_ok=True)
