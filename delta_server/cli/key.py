"""`key create`, `key list`, `key revoke`."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

import click

from delta_server import app
from delta_server.cli.options import with_config, with_database
from delta_server.config.sections import Config
from delta_server.core import secrets, times
from delta_server.core.errors import DeltaError
from delta_server.features.accounts import service as accounts
from delta_server.features.accounts.schemas import ApiKey
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.sqlite.directory_lock import InUse

P = ParamSpec("P")
T = TypeVar("T")

_HEADER = ("ID", "FOR", "SCOPES", "NAME", "CREATED", "EXPIRES", "LAST USED", "STATE", "ORIGINS")


@click.group(help="Create, list and revoke API keys.")
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
    type=click.Choice(accounts.SCOPES),
    help="What it may do; admin implies write, write implies read.  [default: write; admin with --account]",
)
@click.option("--name", default="", help="A note to tell it from others.")
@click.option("--expires", help="Time until the key expires, such as 90d.  [default: for ever]")
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
) -> None:
    _check_options(project=project, kind=kind, origins=origins, account=account, scopes=scopes)
    lifetime_ms = None if expires is None else times.parse_length(expires, field="--expires")
    randomness = os.urandom(secrets.RANDOM_BYTES)
    if kind == "write":
        click.echo(_write(config, _create_write, project or "", origins or ("*",), name, lifetime_ms, randomness))
        click.echo("It can only send events, so it may stand in web pages. It is not shown again.", err=True)
        return
    wanted = scopes or (("admin",) if account else ("write",))
    click.echo(_write(config, _create, project, wanted, name, lifetime_ms, randomness))
    click.echo("Keep it safe: it is not shown again. Send it as  Authorization: Bearer KEY", err=True)


@key.command("list", help="List all keys, the newest first. The keys themselves are not stored and not shown.")
@with_database
def list_(config: Config) -> None:
    keys = _run(config, lambda svc: svc.db.read(_list))
    if not keys:
        click.echo("There are no keys yet: make one with  delta-server key create --project NAME", err=True)
        return
    rows = [_HEADER, *(_key_row(key) for key in keys)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@key.command(help="Make a key useless at once, by its ID from `key list`.")
@click.argument("public_id")
@with_database
def revoke(config: Config, public_id: str) -> None:
    _write(config, _revoke, public_id)
    click.echo(f"Revoked {public_id}.")


def _check_options(
    *, project: str | None, kind: str, origins: tuple[str, ...], account: bool, scopes: tuple[str, ...]
) -> None:
    if account == (project is not None):
        raise click.UsageError("give either --project NAME or --account")
    if kind == "write" and account:
        raise click.UsageError("a write key belongs to a project: give --project NAME")
    if kind == "write" and scopes:
        raise click.UsageError("a write key can only send events: leave --scope out")
    if kind != "write" and origins:
        raise click.UsageError("--origin is for --kind write: other keys must not be used in web pages")


def _create(
    tx: Tx, project: str | None, scopes: tuple[str, ...], name: str, lifetime_ms: int | None, randomness: bytes
) -> str:
    account = accounts.default_account(tx)
    return accounts.add_key(
        tx,
        account,
        None if project is None else projects.ensure(tx, account, project).id,
        randomness=randomness,
        scopes=scopes,
        name=name,
        expires_at=None if lifetime_ms is None else tx.now_ms + lifetime_ms,
    )


def _create_write(
    tx: Tx, project: str, origins: tuple[str, ...], name: str, lifetime_ms: int | None, randomness: bytes
) -> str:
    account = accounts.default_account(tx)
    return accounts.add_write_key(
        tx,
        account,
        projects.ensure(tx, account, project).id,
        randomness=randomness,
        sites=origins,
        name=name,
        expires_at=None if lifetime_ms is None else tx.now_ms + lifetime_ms,
    )


def _list(tx: Tx) -> list[ApiKey]:
    account = accounts.find_default_account(tx)
    return [] if account is None else accounts.list_keys(tx, account)


@frees_space
def _revoke(tx: Tx, public_id: str) -> None:
    accounts.revoke_key(tx, accounts.default_account(tx), None, public_id)


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
    )


def _time(time: str | None) -> str:
    return "-" if time is None else time[:16].replace("T", " ")


def _write(config: Config, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `fn` in one write transaction. Raises as `_run`."""
    return _run(config, lambda svc: svc.db.write(fn, *args, **kwargs))


def _run(config: Config, use: Callable[[Services], Awaitable[T]]) -> T:
    """Raises DeltaError, with a way out while a server holds the database."""

    async def run() -> T:
        async with app.open_services(config) as svc:
            return await use(svc)

    try:
        return asyncio.run(run())
    except InUse as error:
        raise DeltaError(
            f"{error.message}\nWhile a server runs, manage its keys over HTTP: /v1/auth/api-keys, with an admin key."
        ) from error
