"""What a look at the data directory and its machine finds, without changing anything."""

import ctypes
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from delta_server.core import times
from delta_server.core.findings import Finding, ok, problem, warning
from delta_server.storage.sqlite.directory_lock import DataDirRefused, file_system, refuse_network

MOUNTS = Path("/proc/self/mountinfo")
_PASSING = frozenset({"tmpfs", "ramfs"})
_LAYERED = frozenset({"overlay", "aufs"})
_RESTING_MS = 10_000
"""A file's time may be so far ahead of the clock: what time servers correct."""
_FIRST_RELEASE_MS = 1_767_225_600_000
"""2026-01-01: a clock before it was never set."""
_UNSYNCHRONIZED = 5
"""TIME_ERROR of adjtimex(2): nothing has corrected the kernel's clock lately."""


def find_directory(data_dir: Path) -> Finding:
    check = "data directory"
    if data_dir.is_dir():
        return ok(check, f"{data_dir} is there")
    if data_dir.exists():
        return problem(check, f"{data_dir} is not a directory", "name a directory: --data-dir, DELTA_DATA_DIR")
    above = next((path for path in data_dir.absolute().parents if path.exists()), Path("/"))
    if os.access(above, os.W_OK | os.X_OK):
        return warning(
            check, f"{data_dir} is not there", "start the server, which makes it, or name another with --data-dir"
        )
    return problem(
        check,
        f"{data_dir} is not there and this user may not make it in {above}",
        f"make it, owned by user {os.getuid()}",
    )


def find_permissions(data_dir: Path, database: Path) -> Iterator[Finding]:
    check = "permissions"
    for path in (data_dir, database, data_dir / "delta.key"):
        if not path.exists():
            continue
        found, mine = path.stat(), os.geteuid()
        if not os.access(path, os.R_OK | os.W_OK):
            yield problem(
                check,
                f"{path} may not be written by this user ({mine})",
                f"run the server as user {found.st_uid}, or: chown -R {mine} {data_dir}",
            )
        elif found.st_uid != mine:
            yield warning(
                check,
                f"{path} belongs to user {found.st_uid}, this one is {mine}",
                f"run commands as user {found.st_uid}: files made by another may not be the server's to write",
            )
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            right = "700" if path.is_dir() else "600"
            yield warning(
                check,
                f"others on this machine may use {path} ({stat.S_IMODE(found.st_mode):o})",
                f"chmod {right} {path}",
            )


def find_space(data_dir: Path, database: Path, *, least_bytes: int) -> Finding:
    """Warns where an upgrade's copy of the database would not fit."""
    check = "free space"
    free = shutil.disk_usage(_existing(data_dir)).free
    says = f"{free / 1e9:.1f} GB free where the data is"
    if free < least_bytes:
        return problem(check, says, "free some space or make the disk larger: writes are refused when it is full")
    size = database.stat().st_size if database.exists() else 0
    if free < max(size, 10 * least_bytes):
        return warning(
            check,
            f"{says}, the database has {size / 1e9:.1f} GB",
            "make room: an upgrade and a backup copy the database",
        )
    return ok(check, says)


def find_file_system(data_dir: Path, *, mounts: Path = MOUNTS) -> Finding:
    check = "file system"
    place = _existing(data_dir).resolve()
    try:
        refuse_network(place, mounts=mounts)
        kind = file_system(place, mounts.read_text(errors="surrogateescape").splitlines())
    except DataDirRefused as error:
        return problem(check, error.message, "move the data directory to a local disk")
    except OSError:
        return ok(check, "not known on this system")
    if kind in _PASSING:
        return problem(check, f"{kind}, which is gone with the next start of the machine", "use a directory on a disk")
    if kind in _LAYERED:
        return warning(check, f"{kind}, a container's own layer: gone with the container", "mount a volume there")
    return ok(check, kind or "not known")


def find_clock(database: Path, now_ms: int) -> Iterator[Finding]:
    check = "clock"
    ahead_ms = round(database.stat().st_mtime * 1000) - now_ms if database.exists() else 0
    if now_ms < _FIRST_RELEASE_MS:
        yield problem(check, f"it says {times.format(now_ms)}", "set it: what is stored is kept under its time")
    elif ahead_ms > _RESTING_MS:
        yield problem(
            check,
            f"the database was written {ahead_ms // 1000} s after the time that it is now",
            "set the clock: new snapshots would be older than those that are stored",
        )
    elif _is_unsynchronized():
        yield warning(
            check,
            "no time service corrects it",
            "start one (systemd-timesyncd, chrony), in a container on its host; webhooks' signatures are for minutes",
        )
    else:
        yield ok(check, times.format(now_ms))


def _is_unsynchronized() -> bool:
    """By adjtimex(2), which changes nothing when no mode is set. False where the system does not say."""
    try:
        return bool(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) == _UNSYNCHRONIZED)
    except (OSError, AttributeError, TypeError):
        return False


def find_temporary() -> Finding:
    """The one-file executable unpacks itself there and runs what it has unpacked."""
    check, place = "temporary files", Path(tempfile.gettempdir())
    try:
        is_closed = bool(os.statvfs(place).f_flag & os.ST_NOEXEC)
    except OSError as error:
        return problem(check, f"{place}: {error.strerror}", "set TMPDIR to a directory that can be written")
    if is_closed:
        return warning(
            check,
            f"nothing may be run in {place} (noexec)",
            "set TMPDIR to another directory for the one-file executable",
        )
    return ok(check, str(place))


def _existing(path: Path) -> Path:
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
