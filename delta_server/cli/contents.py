"""`pack` and `verify`: the content store's background work now, and a check of all that is stored."""

import asyncio
import sys
from collections.abc import Sequence

import click

from delta_server import app
from delta_server.cli import counting, running
from delta_server.cli.options import with_database
from delta_server.config.sections import Config
from delta_server.core.errors import DatabaseFailed, DeltaError
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.audit.service import AuditVerified
from delta_server.features.projects import service as projects
from delta_server.storage import row_checksums
from delta_server.storage.contents import verification
from delta_server.storage.contents.verification import VerifyResult
from delta_server.storage.database import Tx
from delta_server.storage.eventlog import EventsVerified
from delta_server.storage.row_checksums import RowsVerified
from delta_server.tasks.commands import NoArguments


@click.command(help="Sweep, pack and merge all stored contents now, as the background would in the next days.")
@with_database
def pack(config: Config) -> None:
    before, after = running.run(config, "pack", NoArguments(), doing="packing")
    click.echo(f"database size: {before / 1e6:.2f} MB -> {after / 1e6:.2f} MB")


@click.command(
    help="Check the database file, read all that is stored of snapshots, events and the audit log, and check every "
    "hash. Exits with 1 when something is broken. A server may run meanwhile."
)
@with_database
def verify(config: Config) -> None:
    faults, verified, rows, events, audited = asyncio.run(_verify(config))
    in_contents = [*(f"the database file is damaged: {fault}" for fault in faults), *verified.broken]
    in_audit = [f"the audit log is damaged: {sentence}" for sentence in audited.broken]
    unknown = [f"the audit log: {sentence}" for sentence in audited.unknown]
    for sentence in (*in_contents, *rows.broken, *events.broken, *in_audit, *unknown):
        click.echo(sentence, err=True)
    click.echo(
        f"{verified.contents} contents in {verified.packs} packs and {verified.frames} frames, "
        f"{verified.raw_bytes / 1e6:.1f} MB of documents: {_summary(in_contents)}"
    )
    click.echo(f"{rows.rows} rows of what is known of them and of persons: {_summary(rows.broken)}")
    click.echo(
        f"{events.events} events in {events.segments} segments and {events.blocks} waiting blocks, {events.rollups} "
        f"rollups, {events.runs} runs of deduplication keys: {_summary(events.broken)}"
    )
    click.echo(f"{audited.rows} entries of the audit log: {_summary(in_audit)}")
    if in_contents or rows.broken or events.broken or in_audit:
        click.echo("Restore a backup of the data directory. Until then, what is not named here can be read.", err=True)
        sys.exit(1)


def _summary(broken: Sequence[str]) -> str:
    return f"{_faults(len(broken))} found" if broken else "all as they were stored"


def _faults(count: int) -> str:
    return "1 fault was" if count == 1 else f"{count} faults were"


async def _verify(config: Config) -> tuple[list[str], VerifyResult, RowsVerified, EventsVerified, AuditVerified]:
    """What is wrong with the file itself, and with what is stored in it."""
    async with app.open_for_reading(config) as services:
        faults = await services.db.check()
        verified, rows, events, audited = VerifyResult(), RowsVerified(), EventsVerified(), AuditVerified()
        try:
            with counting.steps("verifying documents") as on_progress:
                verified = await verification.verify(services.contents, on_progress)
            with counting.steps("verifying deltas, indexes and profiles") as on_progress:
                rows = await row_checksums.verify(services.db, app.CHECKSUMMED, on_progress)
            for project, name in await services.db.read(_projects):
                with counting.steps(f"verifying events of {name}") as on_progress:
                    found = await services.event_maintenance.verify(project, on_progress)
                if found.broken and (project, name) not in await services.db.read(_projects):
                    found.broken.clear()  # deleted meanwhile
                _add(events, found, f"project {name}: ")
            with counting.steps("verifying deduplication keys") as on_progress:
                _add(events, await services.event_maintenance.verify(None, on_progress), "")
            if (account := await services.db.read(accounts.find_default_account)) is not None:
                with counting.steps("verifying the audit log") as on_progress:
                    audited = await audit.verify(services, account, on_progress)
        except DatabaseFailed as error:  # the file is so damaged that not even the lists can be read
            faults.append(error.message)
        except Exception as error:
            if not faults or isinstance(error, DeltaError):
                raise
            faults.append(f"its lists are not what was stored: {error}")
        return faults, verified, rows, events, audited


def _projects(tx: Tx) -> list[tuple[int, str]]:
    account = accounts.find_default_account(tx)
    return [] if account is None else projects.stored(tx, account)


def _add(events: EventsVerified, found: EventsVerified, named: str) -> None:
    for field in ("events", "segments", "blocks", "rollups", "runs"):
        setattr(events, field, getattr(events, field) + getattr(found, field))
    events.broken += [named + sentence for sentence in found.broken]
