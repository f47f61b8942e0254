"""`import` of the command line, which reads the history, wherever that is, and sends its versions to the server."""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from delta_server.core.errors import Invalid
from delta_server.features.projects.service import DEFAULT_PROJECT as DEFAULT_PROJECT
from delta_server.features.projects.service import ensure_project as ensure_project
from delta_server.features.snapshots import commits
from delta_server.features.snapshots.importing import Imported, Version, import_versions
from delta_server.services import Services
from delta_server.tasks.commands import Command
from delta_server.tasks.feeding import Feed, Part


class Into(msgspec.Struct, frozen=True):
    """Where a history goes; `project` is a name, None for the only one there is. Of a git repository the first part is
    its line of commits; `ends_with_the_file` says whether the line's end has the file."""

    project: str | None
    endpoint: str
    git: bool = False
    ends_with_the_file: bool = False


class Done(msgspec.Struct, frozen=True):
    """`project` is its name."""

    project: str
    imported: Imported


def parts(versions: Iterable[Version], line: Iterable[str] | None) -> Iterator[Part]:
    """What is sent: the versions, behind a git repository's line of commits."""
    if line is not None:
        yield Part(b"line", " ".join(line).encode())
    for version in versions:
        yield Part(msgspec.json.encode(version._replace(body=b"")), version.body)


def _versions(received: Iterator[Part]) -> Iterator[Version]:
    """Raises Invalid for what is none."""
    try:
        for part in received:
            yield msgspec.json.decode(part.head, type=Version)._replace(body=part.body)
    except msgspec.DecodeError as error:
        raise Invalid(f"this is no version: {error}") from None


async def _import(svc: Services, into: Into, progress: Callable[[Imported], None], feed: Feed) -> Done:
    project, name = await svc.db.write(ensure_project, into.project)
    versions = _versions(feed.parts)
    if into.git:
        line = set((await feed.next()).body.decode().split())
        versions = await commits.placed(
            svc, project, into.endpoint, versions, line, ends_with_the_file=into.ends_with_the_file
        )
    return Done(name, await import_versions(svc, project, into.endpoint, versions, progress, thread=feed.thread))


COMMANDS: dict[str, Command] = {"import": Command(Into, Done, _import, progress=tuple[Imported], fed=True)}
