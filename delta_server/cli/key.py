"""`key create`, `key list`, `key revoke`."""

import click

from delta_server.cli import running
from delta_server.cli.options import with_config, with_database
from delta_server.config.sections import Config
from delta_server.features.accounts import service as accounts
from delta_server.features.accounts.schemas import ApiKey
from delta_server.features.projects.commands import KeyId, NewKey
from delta_server.tasks.commands import NoArguments

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
    wanted = scopes or (("admin",) if account else ("write",))
    sites = (origins or ("*",)) if kind == "write" else None
    click.echo(running.run(config, "key create", NewKey(project, wanted, sites, name, expires)))
    if kind == "write":
        click.echo("It can only send events, so it may stand in web pages. It is not shown again.", err=True)
    else:
        click.echo("Keep it safe: it is not shown again. Send it as  Authorization: Bearer KEY", err=True)


@key.command("list", help="List all keys, the newest first. The keys themselves are not stored and not shown.")
@with_database
def list_(config: Config) -> None:
    keys: list[ApiKey] = running.run(config, "key list", NoArguments())
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
    running.run(config, "key revoke", KeyId(public_id))
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
