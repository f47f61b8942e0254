"""`events import`: what others have recorded, as events: exports of other analytics, archives, access logs."""

import asyncio
import csv
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import click
import msgspec

from delta_server.cli import counting, histories
from delta_server.cli.carrying import Carrier, carrier
from delta_server.cli.importing import SIGNALLED, interruptible
from delta_server.cli.options import with_config
from delta_server.config.sections import Config
from delta_server.core.errors import DeltaError, Invalid
from delta_server.core.events import moved_event
from delta_server.core.imports import reading
from delta_server.core.imports.reading import Numbered, Outcome, Rows
from delta_server.core.imports.sending import LineIds, Sending
from delta_server.features.events.commands import EventsInto, EventsMoved
from delta_server.storage.system_clock import SystemClock
from delta_server.tasks.feeding import Part

AT_ONCE = 2_000
"""Lines that are stored together."""
CHUNK = 50
"""So many times AT_ONCE are known to be stored before the next begin."""
_FIRST = 3
"""Lines that are named of each reason."""
_SECRET_BYTES = 32

HELP = """Store what others have recorded as events. What is there already is skipped: after a failure, run it again.

\b
plausible     the CSV files of its export: numbers by day, an event a row
umami         the CSV file of its export, an event a row
goatcounter   the CSV file of its export, a view a row
segment       archives of Segment and RudderStack: a call a line
nginx apache  access logs, combined or as --log-format says
caddy         access logs, in JSON

FILEs may be compressed with gzip or zstd. Of a log, requests that look like views of pages become events of the type
page, others of the type request. Bots are marked. Addresses are not stored.
"""


class Done(msgspec.Struct):
    """`refused` has the count of each reason, and its first places."""

    taken: int = 0
    bots: int = 0
    stored: int = 0
    duplicates: int = 0
    place: str = ""
    refused: dict[str, tuple[int, list[str]]] = {}

    def add(self, name: str, outcome: Outcome) -> None:
        events, refused = outcome
        self.taken += len(events)
        self.bots += sum(1 for event in events if event.data is not None and b'"bot":true' in bytes(event.data))
        for one in refused:
            count, places = self.refused.get(one.reason, (0, []))
            more = [f"{name}:{one.line}"] if len(places) < _FIRST else []
            self.refused[one.reason] = count + 1, places + more


class Asked(msgspec.Struct, frozen=True):
    """`skip` lines of the first file were stored before."""

    format: str
    files: tuple[Path, ...]
    sending: Sending
    log_format: str | None
    skip: int


@click.command("import", help=HELP)
@click.argument("format", type=click.Choice(reading.FORMATS))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--project", default="default", help="By name; made when absent.  [default: default]")
@click.option("--dry-run", is_flag=True, help="Store nothing; say what would be taken and what not.")
@click.option("--log-format", help="nginx's log_format, or Apache's LogFormat, where it is not the combined one.")
@click.option("--site", help="The website whose log it is, where its lines do not say it.")
@click.option("--pages-only", is_flag=True, help="Of a log, take views of pages alone.")
@click.option("--visitors", is_flag=True, help="Of a log, make ids of visitors, for a day each.")
@click.option("--from-line", type=click.IntRange(1), default=1, help="Where to begin in the first FILE.")
@with_config
def import_events(
    config: Config,
    format: str,
    files: tuple[Path, ...],
    project: str,
    log_format: str | None,
    site: str | None,
    from_line: int,
    *,
    dry_run: bool,
    pages_only: bool,
    visitors: bool,
) -> None:
    secret = os.urandom(_SECRET_BYTES) if visitors else None
    sending = Sending(SystemClock().now_ms(), config.events.event_bytes, format, secret, pages_only, site)
    asked, done = Asked(format, files, sending, log_format, from_line - 1), Done()
    try:
        with interruptible():
            asyncio.run(_dry(asked, done) if dry_run else _import(config, project, asked, done))
    except DeltaError as error:
        raise DeltaError(f"{error.message}\n{_kept(done)}") from error
    except KeyboardInterrupt as interrupt:
        click.echo(f"\nInterrupted. {_kept(done)}", err=True)
        sys.exit(SIGNALLED + next(iter(interrupt.args), signal.SIGINT))
    _report(project, done, dry_run=dry_run)


def _report(project: str, done: Done, *, dry_run: bool) -> None:
    bots = f", {done.bots:,} of them of bots" if done.bots else ""
    if dry_run:
        click.echo(f"{done.taken:,} events would be taken{bots}; nothing was stored")
    else:
        click.echo(f"{done.stored:,} events stored{bots}, {done.duplicates:,} were there already, in {project}")
    for reason, (count, places) in sorted(done.refused.items(), key=lambda one: -one[1][0]):
        more = " and others" if count > len(places) else ""
        click.echo(f"not taken: {count:,} where {reason} ({', '.join(places)}{more})", err=True)


def _kept(done: Done) -> str:
    at = f" All up to {done.place} is stored: --from-line goes on behind it." if done.place else ""
    sent = done.taken - done.stored - done.duplicates
    more = f", and of the next {sent:,} maybe some" if sent > 0 else ""
    return f"{done.stored:,} events are stored{more}.{at} Run the same command again: what is there is skipped."


async def _dry(asked: Asked, done: Done) -> None:
    with counting.progress() as progress:
        bar = progress.add_task("reading", total=_size(asked), counts="")
        for name, _, outcome in _outcomes(asked, lambda read: progress.update(bar, completed=read)):
            done.add(name, outcome)
            progress.update(bar, counts=f"{done.taken:,} events")


async def _import(config: Config, project: str, asked: Asked, done: Done) -> None:
    async with carrier(config) as carried:
        with counting.progress() as progress:
            bar = progress.add_task("importing", total=_size(asked), counts="")
            outcomes = _outcomes(asked, lambda read: progress.update(bar, completed=read))
            while await _chunk(carried, project, outcomes, done):
                progress.update(bar, counts=f"{done.stored:,} stored, {done.duplicates:,} skipped")


async def _chunk(carried: Carrier, project: str, outcomes: Iterator[tuple[str, int, Outcome]], done: Done) -> bool:
    """Whether there was one. All of it is stored when it returns."""
    place = ""

    def parts() -> Iterator[Part]:
        nonlocal place
        for name, number, outcome in islice(outcomes, CHUNK):
            done.add(name, outcome)
            place = f"line {number} of {name}"
            if outcome[0]:
                yield Part(b"events", moved_event.lines(outcome[0]))

    moved: EventsMoved = await carried.run("events import", EventsInto(project), parts())
    done.stored, done.duplicates = done.stored + moved.stored, done.duplicates + moved.duplicates
    done.place = place or done.place
    return bool(place)


def _size(asked: Asked) -> int:
    return sum(path.stat().st_size for path in asked.files)


def _outcomes(asked: Asked, on_progress: Callable[[int], None]) -> Iterator[tuple[str, int, Outcome]]:
    """A file's name, the last line read of it, and what was taken of some lines. Raises Invalid."""
    before, ids = 0, LineIds()
    is_export = asked.format in reading.EXPORTS
    take = None if is_export else reading.lines_taker(asked.format, asked.sending, asked.log_format)
    for place, path in enumerate(asked.files):
        skip, begun = asked.skip if place == 0 else 0, before
        try:
            with path.open("rb") as file:
                lines = histories.lines(file, path.name, partial(_report_read, on_progress, begun))
                found = _rows(asked, path.name, lines, ids) if take is None else _lines(take, lines)
                for number, outcome in found:
                    if number > skip:
                        yield path.name, number, outcome
        except Invalid as error:
            raise Invalid(f"{path.name}: {error.message}") from None
        before += path.stat().st_size


def _report_read(on_progress: Callable[[int], None], before: int, read: int) -> None:
    on_progress(before + read)


def _lines(take: reading.TakeLines, lines: Iterator[bytes]) -> Iterator[tuple[int, Outcome]]:
    first = 1
    while some := list(islice(lines, AT_ONCE)):
        yield first + len(some) - 1, take(Numbered(first, some))
        first += len(some)


def _rows(asked: Asked, name: str, lines: Iterator[bytes], ids: LineIds) -> Iterator[tuple[int, Outcome]]:
    read = csv.reader(line.decode("utf-8", "replace") + "\n" for line in lines)
    try:
        header = next(read, None)
        if not header:
            raise Invalid("it is empty")
        header[0] = header[0].removeprefix("\ufeff")
        rows = Rows(asked.format, header, name, asked.sending, ids)
        while some := [(read.line_num, row) for row in islice(read, AT_ONCE)]:
            yield some[-1][0], rows.take(some)
    except csv.Error as error:
        raise Invalid(f"line {read.line_num} is no CSV: {error}") from None
