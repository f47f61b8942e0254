"""`key create`, `key list`, `key revoke`, `key rotate`."""

from collections.abc import Iterator
from typing import Any

import click
import msgspec

from delta_server.cli import running
from delta_server.cli.options import with_config, with_database
from delta_server.config.sections import Config
from delta_server.core.scopes import VISITS
from delta_server.features.accounts import service as accounts
from delta_server.features.accounts.schemas import ApiKey
from delta_server.features.projects.commands import (
    KeyId,
    KeyRotation,
    KeysBelow,
    ListedKeys,
    MadeKey,
    NewKey,
    RotatedKey,
)

_HEADER = ("ID", "FOR", "SCOPES", "NAME", "CREATED", "EXPIRES", "LAST USED", "STATE", "ORIGINS", "BY")


@click.group(help="Create, list, rotate and revoke API keys.")
def key() -> None:
    pass


@key.command(help="Make a key and print it: it is shown this once and cannot be read again.")
@click.option("--project", help="The project the key is for; made when absent.")
@click.option(
    "--kind",
    type=click.Choice(("project", "write")),
    default="project",
    help="A write key may only send events and may stand in a web page.  [default: project]",
)
@click.option("--origin", "origins", multiple=True, help="A site a write key may be used on.  [default: any]")
@click.option("--account", is_flag=True, help="A key of the account instead, which manages projects.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice((*accounts.SCOPES, VISITS)),
    metavar="SCOPE",
    help="What it may do, such as read, write, admin or snapshots:read; may be repeated.  [default: write; admin with"
    " --account and for the very first key]",
)
@click.option("--name", default="", help="A note to tell it from others.")
@click.option(
    "--expires-in", "--expires", "expires", help="Time until the key expires, such as 90d.  [default: for ever]"
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with the key in it.")
@with_config
def create(
    config: Config,
    project: str | None,
    kind: str,
    origins: tuple[str, ...],
    account: bool,
    scopes: tuple[str, ...],
    name: str,
    expires: str | None,
    as_json: bool,
) -> None:
    _check_options(project=project, kind=kind, origins=origins, account=account, scopes=scopes)
    wanted = ("admin",) if account and not scopes else scopes
    sites = (origins or ("*",)) if kind == "write" else None
    made: MadeKey = running.run(config, "key create", NewKey(project, wanted, sites, name, expires))
    click.echo(_json(made) if as_json else made.key)
    if kind == "write":
        click.echo("It can only send events, so it may stand in web pages. It is not shown again.", err=True)
    else:
        may = ", ".join(made.api_key.scopes)
        click.echo(
            f"Its scope: {may}. Keep it safe: it is not shown again. Send it as  Authorization: Bearer KEY", err=True
        )


@key.command("list", help="List all keys, the newest first. The keys themselves are not stored and not shown.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_database
def list_(config: Config, as_json: bool) -> None:
    if as_json:
        for key in _keys(config):
            click.echo(_json(key))
        return
    rows = [_HEADER, *(_key_row(key) for key in _keys(config))]
    if len(rows) == 1:
        click.echo("There are no keys yet: make one with  delta-server key create --project NAME", err=True)
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _keys(config: Config) -> Iterator[ApiKey]:
    below: int | None = None
    while True:
        page: ListedKeys = running.run(config, "key list", KeysBelow(below))
        yield from page.keys
        below = page.below
        if below is None:
            return


@key.command(help="Make a key that takes another's place, by its ID from `key list`, and print it.")
@click.argument("public_id")
@click.option(
    "--overlap", default="24h", show_default=True, help="How long the old key is still valid; 0s for not at all."
)
@click.option("--expires-in", "expires", help="Time until the new key expires.  [default: as long as the old one had]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with the key in it.")
@with_database
def rotate(config: Config, public_id: str, overlap: str, expires: str | None, as_json: bool) -> None:
    rotated: RotatedKey = running.run(config, "key rotate", KeyRotation(public_id, overlap, expires))
    click.echo(_json(rotated) if as_json else rotated.key)
    until = _time(rotated.replaced.expires_at)
    click.echo(f"The old key is valid until {until}. The new one is not shown again: keep it safe.", err=True)


@key.command(help="Make a key useless at once, by its ID from `key list`.")
@click.argument("public_id")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, the key's record.")
@with_database
def revoke(config: Config, public_id: str, as_json: bool) -> None:
    revoked: ApiKey = running.run(config, "key revoke", KeyId(public_id))
    click.echo(_json(revoked) if as_json else f"Revoked {public_id}.")


def _check_options(
    *, project: str | None, kind: str, origins: tuple[str, ...], account: bool, scopes: tuple[str, ...]
) -> None:
    if account == (project is not None):
        raise click.UsageError("give either --project NAME or --account")
    if kind == "write" and account:
        raise click.UsageError("a write key belongs to a project: give --project NAME")
    if kind == "write" and scopes not in ((), (VISITS,)):
        raise click.UsageError(f"a write key can only send events: leave --scope out, or name {VISITS} alone")
    if kind != "write" and origins:
        raise click.UsageError("--origin is for --kind write: other keys must not be used in web pages")


def _key_row(key: ApiKey) -> tuple[str, ...]:
    return (
        key.id,
        "(account)" if key.project_id is None else key.project or "(deleted)",
        ",".join(key.scopes),
        key.name or "-",
        _time(key.created_at),
        _time(key.expires_at),
        _time(key.last_used_at),
        key.state,
        " ".join(key.origins) or "-",
        _maker(key),
    )


def _maker(key: ApiKey) -> str:
    made_by = key.created_by
    if made_by is None:
        return "-"
    who = made_by.email or made_by.id or "somebody"
    return who if made_by.state in (None, "active") else f"{who} ({made_by.state})"


def _json(shown: Any) -> str:
    return msgspec.json.encode(shown).decode()


def _time(time: str | None) -> str:
    return "-" if time is None else time[:16].replace("T", " ")
