"""`log`, `show`, `diff`, `history` and `blame`: an endpoint's past in the shell, also while a server runs.

They print for people, or with --json the objects of the API's answers, one a line.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from typing import Any

import click
import msgspec

from delta_server.cli import endpoint as endpoints
from delta_server.cli.options import with_database
from delta_server.config.sections import Config
from delta_server.core import ids, times
from delta_server.core.diff.change_list import Change
from delta_server.core.errors import DeltaError
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas.schemas import Comparison, Delta
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import schemas as histories
from delta_server.features.history import service as history_service
from delta_server.features.snapshots import schemas
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services

LISTED = 20
_AT_ONCE = 100
_VALUE_CHARS = 200
_MOMENT = "a time, a date, an age such as 7d, or a snapshot's id"

_project = click.option("--project", help="By name.  [default: the only one there is, or default]")
_from = click.option("--from", "from_", help="At this time or later: a time, a date, or an age such as 7d.")
_to = click.option("--to", help="Before this time.")
_limit = click.option("-n", "--limit", type=click.IntRange(1), default=LISTED, show_default=True, help="At most.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as the API has it.")
_endpoint = click.argument("endpoint")


@click.command(help="List what changed, newest first, with the old and new values.")
@_project
@_from
@_to
@click.option("--path", help="Only what changed there: a path, or a pattern such as /items/*/price.")
@click.option("--kind", default="content", show_default=True, help="content, reorder, format, ignored, or all.")
@_limit
@_json
@_endpoint
@with_database
def log(
    config: Config,
    project: str | None,
    endpoint: str,
    from_: str | None,
    to: str | None,
    path: str | None,
    kind: str,
    limit: int,
    *,
    as_json: bool,
) -> None:
    span = _span(from_, to)
    filter = deltas.filter_of(kind=kind, min_changes=0, path=path)

    async def work(svc: Services, of: EndpointRef) -> None:
        await _print(_deltas(svc, of, span, filter), limit, _json_line if as_json else _delta_lines)

    _run(config, project, endpoint, work)


@click.command(help="Print a document byte for byte: the latest, or the one in force at a time.")
@_project
@click.option("--at", help=f"Which one: {_MOMENT}.  [default: the latest]")
@_json
@_endpoint
@with_database
def show(config: Config, project: str | None, endpoint: str, at: str | None, *, as_json: bool) -> None:
    async def work(svc: Services, of: EndpointRef) -> None:
        row = _snapshot(svc, of, at, "--at")
        body = await snapshots.read_document(svc, row)
        if as_json:
            _json_line(schemas.SnapshotWithData(schemas.snapshot(row), msgspec.Raw(body)))
        elif sys.stdout.isatty():
            click.echo("\n".join(map(printable, body.decode(errors="replace").splitlines())))
        else:
            click.echo(body, nl=False)

    _run(config, project, endpoint, work)


@click.command(help="Show what changed between two moments; without any, in the last change.")
@_project
@click.option("--from", "from_", help=f"From: {_MOMENT}.  [default: the version before]")
@click.option("--to", help=f"To: {_MOMENT}.  [default: the latest]")
@_json
@_endpoint
@with_database
def diff(
    config: Config, project: str | None, endpoint: str, from_: str | None, to: str | None, *, as_json: bool
) -> None:
    async def work(svc: Services, of: EndpointRef) -> None:
        after = _snapshot(svc, of, to, "--to")
        before = await _version_before(svc, of, after) if from_ is None else _snapshot(svc, of, from_, "--from")
        wanted = Comparison(from_snapshot_id=ids.text(before.uid), to_snapshot_id=ids.text(after.uid), format="changes")
        found = await deltas.compare(svc, of.project, wanted, of)
        if as_json:
            _json_line(found)
        else:
            _lines(_change_lines(found.diff))

    _run(config, project, endpoint, work)


@click.command(help="List the values that a field had, newest first.")
@_project
@_from
@_to
@_limit
@_json
@_endpoint
@click.argument("path")
@with_database
def history(
    config: Config,
    project: str | None,
    endpoint: str,
    path: str,
    from_: str | None,
    to: str | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    span = _span(from_, to)

    async def work(svc: Services, of: EndpointRef) -> None:
        await _print(_values(svc, of, path, span), limit, _json_line if as_json else _value_line)

    _run(config, project, endpoint, work)


@click.command(help="Tell since when each value of a document is what it is, at and under PATH.")
@_project
@click.option("--at", help=f"Of which document: {_MOMENT}.  [default: the latest]")
@click.option("-n", "--limit", type=click.IntRange(1), default=1000, show_default=True, help="At most.")
@_json
@_endpoint
@click.argument("path", default="")
@with_database
def blame(
    config: Config, project: str | None, endpoint: str, path: str, at: str | None, limit: int, *, as_json: bool
) -> None:
    async def work(svc: Services, of: EndpointRef) -> None:
        snapshot = ids.text(_snapshot(svc, of, at, "--at").uid)
        await _print(_leaves(svc, of, path, snapshot), limit, _json_line if as_json else _leaf_line)

    _run(config, project, endpoint, work)


def _run(
    config: Config, project: str | None, name: str, work: Callable[[Services, EndpointRef], Coroutine[Any, Any, None]]
) -> None:
    async def main() -> None:
        async with endpoints.opened(config, project, name) as (services, endpoint):
            await work(services, endpoint)

    asyncio.run(main())


# What is read


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _span(from_: str | None, to: str | None) -> TimelineSpan:
    now_ms = _now_ms()
    return TimelineSpan(
        times.EARLIEST_MS if from_ is None else times.parse_moment(from_, field="--from", now_ms=now_ms),
        times.LATEST_MS + 1 if to is None else times.parse_moment(to, field="--to", now_ms=now_ms),
    )


def _snapshot(svc: Services, endpoint: EndpointRef, text: str | None, option: str) -> snapshots.Snapshot:
    if text is not None and ids.try_parse(text) is not None:
        return snapshots.get_snapshot(svc, endpoint.project, text, ids.text(endpoint.uid))
    moment = times.LATEST_MS if text is None else times.parse_moment(text, field=option, now_ms=_now_ms())
    return snapshots.snapshot_at(svc, endpoint.project, endpoint, moment)


async def _version_before(svc: Services, endpoint: EndpointRef, row: snapshots.Snapshot) -> snapshots.Snapshot:
    span = TimelineSpan(to_ms=row.captured_at + 1)
    found = await snapshots.list_snapshots(svc, endpoint.project, endpoint, span, limit=2, changed_only=True)
    if len(found) < 2:
        raise DeltaError(f"{endpoint.name} has no version before that of {times.format(row.captured_at)}")
    return found[1]


async def _deltas(
    svc: Services, of: EndpointRef, span: TimelineSpan, filter: deltas.DeltaFilter
) -> AsyncIterator[Delta]:
    while True:
        page = await deltas.page(svc, of.project, of, span, limit=LISTED, filter=filter)
        page = await deltas.with_changes(svc, of.project, page)
        for delta in page.deltas:
            yield delta
        if page.next is None:
            return
        span = span.past(page.next)


async def _values(svc: Services, of: EndpointRef, path: str, span: TimelineSpan) -> AsyncIterator[histories.Change]:
    while True:
        page = await history_service.get_history(svc, of, path, span, limit=_AT_ONCE)
        for change in page.changes:
            yield change
        if page.next is None:
            return
        span = span.past(page.next)


async def _leaves(svc: Services, of: EndpointRef, path: str, snapshot: str) -> AsyncIterator[histories.Leaf]:
    resume = None
    while True:
        page = await history_service.blame(svc, of, path, limit=1000, snapshot_id=snapshot, resume=resume)
        for leaf in page.leaves:
            yield leaf
        resume = page.next
        if resume is None:
            return


# What is printed


async def _print(found: AsyncIterator[Any], limit: int, tell: Callable[[Any], None]) -> None:
    count = 0
    async for one in found:
        if count == limit:
            click.echo(f"there are more: --limit is {limit}", err=True)
            return
        tell(one)
        count += 1
    if not count:
        click.echo("nothing found", err=True)


def _json_line(found: Any) -> None:
    text = msgspec.json.encode(found)  # values stand in it as documents have them: over several lines
    click.echo(msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text)


def _lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _delta_lines(delta: Delta) -> None:
    count = f"{delta.changes_count} change{'' if delta.changes_count == 1 else 's'}"
    click.echo(f"{delta.captured_at}  {delta.kind}, {count}  {delta.to_snapshot_id}")
    _lines("    " + line for line in _change_lines(delta.changes))
    if not delta.changes_complete:
        click.echo(f"    ... the rest: delta-server diff --to {delta.to_snapshot_id}")


def _change_lines(changes: Any) -> Iterator[str]:
    for change in msgspec.json.decode(changes, type=list[Change]):
        path = printable(change.path or "(the document)")
        if change.op == "move":
            yield f"{path}  moved from {printable(str(change.before))} to {printable(str(change.after))}"
        elif change.op == "add":
            yield f"{path}  added {_value(change.new)}"
        elif change.op == "remove":
            yield f"{path}  removed {_value(change.old)}"
        else:
            yield f"{path}  {_value(change.old)} -> {_value(change.new)}"


def _value_line(change: histories.Change) -> None:
    click.echo(f"{change.captured_at}  {'(gone)' if change.exists is False else _value(change.value)}")


def _leaf_line(leaf: histories.Leaf) -> None:
    click.echo(f"{leaf.captured_at}  {printable(leaf.path or '(the document)')}  {_value(leaf.value)}")


def _value(value: Any) -> str:
    text = bytes(value).decode(errors="replace")
    if any(space in text for space in "\n\r\t"):
        text = " ".join(text.split())
    return printable(text if len(text) <= _VALUE_CHARS else text[:_VALUE_CHARS] + "...")


def printable(text: str) -> str:
    """The text with what would steer a terminal written as escapes: documents come from elsewhere."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
