"""`audit tail`."""

import asyncio

import click
import msgspec

from delta_server import app
from delta_server.cli.options import with_database
from delta_server.config.sections import Config
from delta_server.core.audit_chain import Row
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import schemas
from delta_server.features.audit import service as entries

_EVERY_S = 1.0
_AT_ONCE = 500


@click.group(help="Show who did what, when, from where.")
def audit() -> None:
    pass


@audit.command(help="Print the last entries of the audit log. A server may run meanwhile.")
@click.option("--lines", "-n", type=click.IntRange(0, 100_000), default=20, help="How many.  [default: 20]")
@click.option("--follow", "-f", is_flag=True, help="Go on with new ones as they come.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as GET /v1/audit has them.")
@with_database
def tail(config: Config, lines: int, follow: bool, as_json: bool) -> None:
    asyncio.run(_tail(config, lines, follow=follow, as_json=as_json))


async def _tail(config: Config, lines: int, *, follow: bool, as_json: bool) -> None:
    async with app.open_for_reading(config) as services:
        account = await services.db.read(accounts.find_default_account)
        rows = [] if account is None else await entries.newest(services, account, max(lines, 1))
        seen = rows[-1].entry.seq if rows else 0
        _print(rows[-lines:] if lines else [], as_json=as_json)
        while follow:
            if account is None:
                account = await services.db.read(accounts.find_default_account)
            rows = [] if account is None else await entries.following(services, account, seen, _AT_ONCE)
            _print(rows, as_json=as_json)
            seen = rows[-1].entry.seq if rows else seen
            if len(rows) < _AT_ONCE:
                await asyncio.sleep(_EVERY_S)


def _print(rows: list[Row], *, as_json: bool) -> None:
    for row in rows:
        click.echo(msgspec.json.encode(schemas.entry(row)) if as_json else _line(row))


def _line(row: Row) -> str:
    entry = schemas.entry(row)
    action = entry.action if entry.outcome == "ok" else f"{entry.action} {entry.outcome}"
    parts = [entry.at, entry.actor, action, entry.target, entry.name, entry.address]
    return "  ".join([*(part for part in parts if part), *([f"{entry.repeats} times"] if entry.repeats > 1 else [])])
