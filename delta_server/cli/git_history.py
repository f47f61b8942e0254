"""The versions of a file in a git repository, along the first-parent line that leads to HEAD.

That line is what the branch's file was, one version after the other: a merge counts with what it holds itself, and the
commits of a merged branch do not, as they were never the branch's own state. git only reads here: nothing of the
caller's environment leads it elsewhere, it runs no hooks, filters or other programs, and fetches nothing.
"""

# ruff: noqa: S603 - runs git, found by PATH, with arguments that are never a shell's

import os
import posixpath
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from delta_server.cli import counting
from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.features.snapshots.importing import Version

NAMED = 5
MESSAGE_CHARACTERS, AUTHOR_CHARACTERS = 2000, 200
"""What is kept of them: snapshots bound their metadata."""

_SETTINGS = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false"),
    *("-c", "log.follow=false", "-c", "log.diffMerges=first-parent", "-c", "log.showRoot=true"),
)
_LOG = (
    *("log", "--first-parent", "-m", "--reverse", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff"),
    *("--no-textconv", "--no-notes", "--no-mailmap", "--no-show-signature", "--no-color", "--no-decorate", "-z"),
    *("--encoding=UTF-8", "--format=%x00%x01%x00%H%x00%ct%x00%an <%ae>%x00%B%x00%x02"),
)
"""`-m` with log.diffMerges: all versions of git then compare a merge with its first parent."""
_KEPT = re.compile(r"GIT_(CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+)|EXEC_PATH)")
"""The only GIT_ variables of the caller that count: GIT_DIR and its kind name another repository."""
_FILES = {b"100644", b"100755", b"100664"}
_OTHER_KINDS = {b"120000": "a symbolic link", b"160000": "a submodule"}


class Commit(NamedTuple):
    """What a commit of the line made of the file: `blob` is None where it has none. `kind` says what stands in its
    place, if anything does."""

    id: str
    committed_at: int
    author: str
    message: str
    blob: str | None
    kind: str | None

    @property
    def metadata(self) -> str:
        return msgspec.json.encode({"commit": self.id, "author": self.author, "message": self.message}).decode()


class GitHistory:
    """Made for one import. `left_out` and `notes` are sentences for the end: what was not read, what to know."""

    def __init__(self, repository: Path, path: str) -> None:
        """Raises Invalid when git is not there, or knows no such repository or file."""
        self._repository = repository
        self._commits = _changes(_git(repository, *_LOG, "HEAD", "--", f":(top,literal){path}"), os.fsencode(path))
        self.versions = [commit for commit in self._commits if commit.blob or commit.kind]
        if not self.versions:
            raise Invalid(f"git knows no version of {path} there; the path counts from the repository's top")
        self.notes: list[str] = []
        if _git(repository, "rev-parse", "--is-shallow-repository").strip() == b"true":
            self.notes.append(
                "the clone is shallow: versions from before its first commit are not in it; "
                "git fetch --unshallow, then run the import again"
            )
        self._unread: list[str] = []

    @property
    def ends_with_the_file(self) -> bool:
        """Whether HEAD has it."""
        return self._commits[-1].blob is not None

    @property
    def left_out(self) -> list[str]:
        if not self._unread:
            return []
        more = f" and {len(self._unread) - NAMED} more" if len(self._unread) > NAMED else ""
        return [
            f"git has no contents for {counting.versions(len(self._unread))} "
            f"(commits {', '.join(self._unread[:NAMED])}{more}): the clone is partial or damaged; "
            "fetch them, or clone without --filter, then run the import again"
        ]

    def line(self) -> set[str]:
        """All commits of the line."""
        return set(_git(self._repository, "rev-list", "--first-parent", "HEAD", "--").decode().split())

    def read(self, on_progress: Callable[[int], None]) -> Iterator[Version]:
        """The versions in the order of the line; `on_progress` gets how many were read so far."""
        self._unread.clear()
        there = self._present()
        with closing(_Objects(self._repository)) as objects:
            for number, commit in enumerate(self.versions, 1):
                place = f"commit {commit.id[:12]}"
                body = objects.blob(commit.blob) if commit.blob and (there is None or commit.blob in there) else None
                if commit.kind is not None:
                    yield Version(commit.committed_at, b"", place, commit=commit.id, fault=f"it is {commit.kind}")
                elif body is None:
                    self._unread.append(commit.id[:12])
                else:
                    yield Version(commit.committed_at, body, place, metadata=commit.metadata, commit=commit.id)
                on_progress(number)

    def _present(self) -> set[str] | None:
        """The versions' blobs that a partial clone holds, None for a whole one. Asking git for one it lacks would fetch
        it; versions of git before 2.45 cannot be configured otherwise."""
        promisors = ("config", "--get-regexp", r"^(remote\..*\.promisor|extensions\.partialclone)$")
        if not _git(self._repository, *promisors, may_fail=True):
            return None
        wanted = {commit.blob for commit in self.versions}
        listing = ("cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)")
        with subprocess.Popen(_command(self._repository, *listing), stdout=subprocess.PIPE, env=_environment()) as git:
            assert git.stdout is not None
            return {blob for line in git.stdout if (blob := line.decode().strip()) in wanted}


class _Objects:
    """`git cat-file --batch`, started again when a damaged object ends it."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._git: subprocess.Popen[bytes] | None = None

    def blob(self, id: str) -> bytes | None:
        """Its bytes, None when they are not there or cannot be read."""
        if self._git is None:
            command = _command(self._repository, "cat-file", "--batch")
            self._git = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment()
            )
        assert self._git.stdin is not None
        assert self._git.stdout is not None
        try:
            self._git.stdin.write(f"{id}\n".encode())
            self._git.stdin.flush()
        except BrokenPipeError:
            self.close()
            return None
        header = self._git.stdout.readline().split()
        if len(header) == 3 and header[1] == b"blob":
            size = int(header[2])
            body = self._git.stdout.read(size + 1)
            if len(body) == size + 1:
                return body[:-1]
        elif header[1:] == [b"missing"]:
            return None
        self.close()
        return None

    def close(self) -> None:
        git, self._git = self._git, None
        if git is None:
            return
        git.kill()
        with git:
            pass


def git_path(path: str) -> str:
    """A file's path as git writes it, from the repository's top. Raises Invalid."""
    plain = posixpath.normpath(path) if path else "."
    if plain == "." or plain.startswith(("/", "../")):
        raise Invalid(f'"{path}" is not a file in the repository: give its path from the repository\'s top')
    return plain


def _changes(log: bytes, path: bytes) -> list[Commit]:
    """The commits that changed the file's bytes, oldest first, of what _LOG printed."""
    changes: list[Commit] = []
    tokens = iter(log.split(b"\0"))
    head: Sequence[bytes] = ()
    for token in tokens:
        if token == b"\x01":
            head = [next(tokens) for _ in range(5)]
        elif token.lstrip(b"\n").startswith(b":") and next(tokens) == path:
            _, mode, _, blob, _ = token.lstrip(b"\n").split(b" ")
            commit = _commit(head, mode, blob)
            if not changes or (commit.blob, commit.kind) != (changes[-1].blob, changes[-1].kind):
                changes.append(commit)
    return changes


def _commit(head: Sequence[bytes], mode: bytes, blob: bytes) -> Commit:
    id, at, author, message = (text.decode(errors="replace") for text in head[:4])
    return Commit(
        id=id,
        committed_at=min(max(int(at or 0) * 1000, times.EARLIEST_MS), times.LATEST_MS),
        author=author.strip()[:AUTHOR_CHARACTERS],
        message=message.strip()[:MESSAGE_CHARACTERS],
        blob=blob.decode() if mode in _FILES else None,
        kind=_OTHER_KINDS.get(mode),
    )


def _command(repository: Path, *arguments: str) -> list[str]:
    return ["git", "-C", str(repository), "--no-pager", *_SETTINGS, *arguments]


def _environment() -> dict[str, str]:
    """Whose messages are in English, and that fetches nothing: since 2.45 by name, before by allowing no protocol."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or _KEPT.fullmatch(name)}
    return own | {
        "LC_ALL": "C",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def _git(repository: Path, *arguments: str, may_fail: bool = False) -> bytes:
    try:
        done = subprocess.run(_command(repository, *arguments), capture_output=True, env=_environment())
    except FileNotFoundError:
        raise Invalid("git is not installed; install it, or import an NDJSON file") from None
    if done.returncode and not may_fail:
        raise Invalid(_explain(done.stderr.decode(errors="replace").strip(), repository))
    return done.stdout


def _explain(output: str, repository: Path) -> str:
    if "dubious ownership" in output or "is owned by someone else" in output:
        return (
            f"{repository} belongs to another user, so git does not read it; if you trust it, run "
            f"git config --global --add safe.directory {repository.resolve()}, or run the import as its owner"
        )
    if "bad revision 'HEAD'" in output:
        return f"{repository} has no commits yet"
    if "promisor" in output or "lazy fetch" in output:
        return (
            "the clone is partial and lacks directories (--filter=tree:0), so that git cannot tell which commits "
            f"changed the file; clone without that filter. git says: {output}"
        )
    return f"git says: {output}"
