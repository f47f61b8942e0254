"""Who may use a data directory: one server at a time, on a disk of this machine."""

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from delta_server.core.errors import DeltaError

LOCK_NAME = "delta.lock"

_NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"}
    | {"orangefs", "osxfs", "prl_fs", "smb", "smb2", "smb3", "smbfs", "vboxsf"}
)
"""File systems whose shared memory or locks do not hold between machines (or, like 9p, at all): WAL needs both."""

_NETWORK_FUSE = frozenset(
    {"blobfuse", "blobfuse2", "ceph-fuse", "davfs", "davfs2", "gcsfuse", "glusterfs", "goofys", "grpcfuse", "juicefs"}
    | {"mfs", "mount-s3", "osxfs", "rclone", "s3fs", "s3ql", "seaweedfs", "sshfs"}
)
"""The same behind FUSE, which shows as `fuse.NAME`."""


class DataDirRefused(DeltaError):
    """The data directory cannot be used; the message says why and what to do."""


class InUse(DataDirRefused):
    """Another process has it."""


class DirectoryLock:
    """An flock on `delta.lock`. The kernel drops it when the process ends, however it ends.

    The file is not delta.db: closing any handle on that one would drop SQLite's locks.
    """

    def __init__(self, data_dir: Path) -> None:
        """Raises InUse when another process holds the lock."""
        self._path = data_dir / LOCK_NAME
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while not self._is_locked():
            os.close(self._file)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with suppress(OSError):  # a full disk; only for people, and in place where it was written before
            os.pwrite(self._file, f"{os.getpid():<10}\n".encode(), 0)

    def _is_locked(self) -> bool:
        """False when the file's owner removed it after it was opened here. Raises InUse."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise InUse(
                f"{self._path.parent} is in use by another Delta server (process {holder}): stop that server first, "
                "or use another data directory (--data-dir, DELTA_DATA_DIR)"
            ) from None
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        return False

    def release(self) -> None:
        os.close(self._file)

    def remove(self) -> None:
        """As `release`, and the file goes with it."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def is_in_use(data_dir: Path) -> bool:
    """Whether a process has the directory, without taking it."""
    try:
        file = os.open(data_dir / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False


@contextmanager
def new_or_used(data_dir: Path) -> Iterator[None]:
    """The directory, locked, made where there is none. If it fails, nothing is left that was not there before. Raises
    DataDirRefused."""
    made = [path for path in (data_dir, *data_dir.parents) if not path.exists()]
    lock: DirectoryLock | None = None
    try:
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            refuse_network(data_dir)
            had_lock = (data_dir / LOCK_NAME).exists()
            lock = DirectoryLock(data_dir)
        except OSError as error:
            raise unusable(data_dir, error) from error
        yield
        lock.release()
    except BaseException:
        if lock is not None:
            if had_lock:
                lock.release()
            else:
                lock.remove()
        with suppress(OSError):  # another server has begun to use it
            for path in made:
                path.rmdir()
        raise


_REMEDIES = {
    errno.EROFS: "it is on a read-only file system: copy it to where it can be written",
    errno.EACCES: "it may not be written by this user: change its owner or permissions, or run as the user who owns it",
    errno.EPERM: "it may not be written by this user: change its owner or permissions, or run as the user who owns it",
    errno.EEXIST: "a file has that name: name a directory",
    errno.ENOTDIR: "a part of its path is a file: name a directory",
    errno.ENOSPC: "the disk is full: free some space",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ELOOP: "its symbolic links lead in a circle",
}


def unusable(data_dir: Path, error: OSError) -> DataDirRefused:
    """What to do about `error`, from making or opening what is in the data directory."""
    remedy = _REMEDIES.get(error.errno or 0, error.strerror or str(error))
    place = error.filename if isinstance(error.filename, str) else str(data_dir)
    return DataDirRefused(f"the data directory cannot be used: {place}: {remedy} (--data-dir, DELTA_DATA_DIR)")


def refuse_network(data_dir: Path, *, mounts: Path = Path("/proc/self/mountinfo")) -> None:
    """Raises DataDirRefused when `data_dir` lies on a network file system. Where there is no `mounts`, all pass."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return
    kind = file_system(data_dir.resolve(), lines)
    if kind in _NETWORK or (kind.startswith("fuse.") and kind[5:] in _NETWORK_FUSE):
        raise DataDirRefused(
            f"{data_dir} is on a network file system ({kind}), where SQLite databases get damaged: "
            "use a directory on a local disk (DELTA_DATA_DIR)"
        )


def file_system(path: Path, mountinfo: list[str]) -> str:
    """The type of the file system that holds the absolute `path`, by the lines of /proc/PID/mountinfo; "" if unknown.

    A line is `id parent major:minor root mount-point options [tags] - type source options` (proc(5)).
    """
    depths = {str(above): len(above.parts) for above in (path, *path.parents)}
    best, kind = -1, ""
    for line in mountinfo:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        depth = depths.get(_unescape(fields[4]), -2)
        if depth >= best:  # of two mounts on one place the later covers the earlier
            best, kind = depth, after.split(" ", 1)[0]
    return kind


def _unescape(field: str) -> str:
    """Space, tab, newline and backslash stand as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
