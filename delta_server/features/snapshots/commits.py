"""Where the versions of a line of commits go in an endpoint's timeline.

Commits have the times of the clocks they were made with, which may go backwards; the line's order is what counts. So a
version goes to its commit's time or, where the one before it is not older, to the millisecond after that one, and its
metadata says when it was committed. What an earlier import stored is known by its commit, whatever its time. Where the
history was rewritten, what was stored of commits that are not on the line any more stays, and what is new comes after
it: the last snapshot is the line's last version.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from delta_server.core import times
from delta_server.core.packs import codec
from delta_server.features.endpoints import service as endpoints
from delta_server.features.snapshots import store
from delta_server.features.snapshots.importing import Version
from delta_server.features.snapshots.service import MAX_AHEAD_MS
from delta_server.services import Services


class ImportedCommits(msgspec.Struct, frozen=True):
    """What an endpoint has: contents' hashes by time, and when each (commit, content's hash) was stored last."""

    hashes: Mapping[int, bytes]
    commits: Mapping[tuple[str, bytes], int]

    def newest_beside(self, line: Collection[str]) -> int:
        """When the newest version of a commit was captured that is not on the line, 0 for none."""
        return max((at for (commit, _), at in self.commits.items() if commit not in line), default=0)


def in_line(
    versions: Iterable[Version], there: ImportedCommits, *, beside: int, now_ms: int, ends_with_the_file: bool = True
) -> Iterator[Version]:
    """The versions of a line, each with its time in the timeline; what is there already keeps the one it has.

    `beside` is `There.newest_beside`. Of a line that `ends_with_the_file` the last version is yielded once more when
    something else is newer: it is what the file is again.
    """
    last = 0
    newest: Version | None = None
    for version in versions:
        if version.fault:
            yield version._replace(captured_at=max(last, 0))
            continue
        digest = codec.digest(version.body)
        known = there.commits.get((version.commit, digest))
        at = _free_time(there, digest, version.captured_at, last, beside, now_ms) if known is None else known
        last, newest = max(last, at), version
        yield _placed(version, at)
    if newest is not None and ends_with_the_file and last < beside:
        yield _placed(newest, beside + 1)


def _free_time(there: ImportedCommits, digest: bytes, committed_at: int, last: int, beside: int, now_ms: int) -> int:
    at = max(committed_at if 0 <= committed_at <= now_ms + MAX_AHEAD_MS else 0, last + 1)
    if there.hashes.get(at) == digest:
        return at
    at = max(at, beside + 1) if beside else at
    while there.hashes.get(at, digest) != digest:
        at += 1
    return at


def _placed(version: Version, at: int) -> Version:
    if at == version.captured_at or version.metadata is None:
        return version._replace(captured_at=at)
    metadata = msgspec.json.decode(version.metadata) | {"committed_at": times.format(version.captured_at)}
    return version._replace(captured_at=at, metadata=msgspec.json.encode(metadata).decode())


async def placed(
    svc: Services,
    project: int,
    name: str,
    versions: Iterable[Version],
    line: Collection[str],
    *,
    ends_with_the_file: bool,
) -> Iterator[Version]:
    """As `in_line`, in the endpoint of that name; `line` has all its commits."""
    there = await _imported_commits(svc, project, name)
    beside = await svc.spare_cpu(there.newest_beside, line) if there.commits else 0
    now_ms = svc.clock.now_ms()
    return in_line(versions, there, beside=beside, now_ms=now_ms, ends_with_the_file=ends_with_the_file)


async def _imported_commits(svc: Services, project: int, name: str) -> ImportedCommits:
    """What the endpoint has; it is made when absent. All its metadata is read."""
    endpoint = await svc.db.write(endpoints.ensure, project, name)
    svc.topics.wake("happenings", project)
    return await svc.spare_cpu(_imported, await svc.db.read(store.with_metadata, endpoint.id))


def _imported(rows: Sequence[tuple[int, bytes, str | None]]) -> ImportedCommits:
    commits = {
        (described.commit, digest): at
        for at, digest, metadata in rows
        if metadata is not None and (described := _commit_of(metadata)).commit
    }
    return ImportedCommits({at: digest for at, digest, _ in rows}, commits)


class _Described(msgspec.Struct):
    commit: str = ""


def _commit_of(metadata: str) -> _Described:
    try:
        return msgspec.json.decode(metadata, type=_Described)
    except msgspec.DecodeError:  # somebody's own `commit`, which is not a string
        return _Described()
