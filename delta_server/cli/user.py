"""`user add`, `list`, `role`, `disable`, `enable`, `reset-link`, `reset-totp`; `setup-link`."""

import json
import sys

import click

from delta_server.cli import running
from delta_server.cli.options import with_config, with_database
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.errors import DeltaError
from delta_server.features.users import service as users
from delta_server.features.users.commands import ListedUser, Named, NewUser, RoleChange
from delta_server.tasks.commands import NoArguments


@click.group(help="Add, list and change the people who sign in.")
def user() -> None:
    pass


@user.command(help="Add a person. The password is asked for, or read from standard input.")
@click.argument("email")
@click.option("--role", type=click.Choice(users.ROLES), default="member", help="What they may do.  [default: member]")
@click.option("--name", default="", help="Their name.")
@with_config
def add(config: Config, email: str, role: str, name: str) -> None:
    email = running.run(config, "user add", NewUser(email, role, name, _password()))
    click.echo(f"Added {email}, {role}.")


@user.command("list", help="List all people.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_database
def list_(config: Config, as_json: bool) -> None:
    found: list[ListedUser] = running.run(config, "user list", NoArguments())
    for each in found:
        row = {"email": each.email, "name": each.name, "role": each.role, "state": each.state}
        row["created_at"] = times.format(each.created_at)
        click.echo(json.dumps(row) if as_json else f"{each.email}  {each.role}  {each.state}  {each.name}".rstrip())


@user.command(help="Change what a person may do: owner, admin or member of the instance.")
@click.argument("email")
@click.argument("role", type=click.Choice(users.ROLES))
@with_database
def role(config: Config, email: str, role: str) -> None:
    running.run(config, "user role", RoleChange(email, role))
    click.echo(f"{email} is {role} now.")


@user.command(help="Keep a person out, and end their sessions.")
@click.argument("email")
@with_database
def disable(config: Config, email: str) -> None:
    running.run(config, "user disable", Named(email))
    click.echo(f"{email} cannot sign in any more.")


@user.command(help="Let a person in again.")
@click.argument("email")
@with_database
def enable(config: Config, email: str) -> None:
    running.run(config, "user enable", Named(email))
    click.echo(f"{email} can sign in again.")


@user.command("reset-link", help="Print a token that sets a person's password, once, within a day.")
@click.argument("email")
@with_database
def reset_link(config: Config, email: str) -> None:
    click.echo(running.run(config, "user reset-link", Named(email)))
    click.echo('Send it as  POST /v1/auth/reset-password {"token": ..., "new_password": ...}', err=True)


@user.command("reset-totp", help="Take a person's second factor away: for who has lost the app and the recovery codes.")
@click.argument("email")
@with_database
def reset_totp(config: Config, email: str) -> None:
    if not running.run(config, "user reset-totp", Named(email)):
        raise DeltaError(f"{email} has no second factor")
    click.echo(f"{email} signs in with the password alone now.")


@click.command("setup-link", help="Print a token that makes the first owner, once, within half an hour.")
@with_config
def setup_link(config: Config) -> None:
    token = running.run(config, "setup-link", NoArguments())
    if token is None:
        raise DeltaError("there are users already: `delta-server user list` shows them")
    click.echo(token)
    click.echo('Send it as  POST /v1/setup {"token": ..., "email": ..., "password": ...}', err=True)


def _password() -> str:
    if sys.stdin.isatty():
        text: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return text
    return sys.stdin.readline().rstrip("\r\n")
