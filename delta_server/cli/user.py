"""`user add`, `list`, `role`, `disable`, `enable`, `reset-link`; `setup-link`."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import click

from delta_server import app
from delta_server.cli.options import with_config, with_database
from delta_server.config.sections import Config
from delta_server.core import emails, names, passwords, times
from delta_server.core.errors import DeltaError
from delta_server.features.users import service as users
from delta_server.features.users.service import User
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.directory_lock import InUse

P = ParamSpec("P")
T = TypeVar("T")


@click.group(help="Add, list and change the people who sign in.")
def user() -> None:
    pass


@user.command(help="Add a person. The password is asked for, or read from standard input.")
@click.argument("email")
@click.option("--role", type=click.Choice(users.ROLES), default="member", help="What they may do.  [default: member]")
@click.option("--name", default="", help="Their name.")
@with_config
def add(config: Config, email: str, role: str, name: str) -> None:
    email = emails.check(email)
    password = _password()
    passwords.check(password, email)
    hash = passwords.hashed(password, os.urandom(passwords.SALT_BYTES))
    name = names.check(name) if name else ""
    _write(config, users.add, email=email, name=name, role=role, password=hash)
    click.echo(f"Added {email}, {role}.")


@user.command("list", help="List all people.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_database
def list_(config: Config, as_json: bool) -> None:
    for each in _write(config, users.all_users):
        state = "active" if each.disabled_at is None else "disabled"
        row = {"email": each.email, "name": each.name, "role": each.role, "state": state}
        row["created_at"] = times.format(each.created_at)
        click.echo(json.dumps(row) if as_json else f"{each.email}  {each.role}  {state}  {each.name}".rstrip())


@user.command(help="Change what a person may do: owner, admin or member of the instance.")
@click.argument("email")
@click.argument("role", type=click.Choice(users.ROLES))
@with_database
def role(config: Config, email: str, role: str) -> None:
    _change(config, email, lambda tx, user: users.set_role(tx, user, role))
    click.echo(f"{email} is {role} now.")


@user.command(help="Keep a person out, and end their sessions.")
@click.argument("email")
@with_database
def disable(config: Config, email: str) -> None:
    _change(config, email, users.disable)
    click.echo(f"{email} cannot sign in any more.")


@user.command(help="Let a person in again.")
@click.argument("email")
@with_database
def enable(config: Config, email: str) -> None:
    _change(config, email, users.enable)
    click.echo(f"{email} can sign in again.")


@user.command("reset-link", help="Print a token that sets a person's password, once, within a day.")
@click.argument("email")
@with_database
def reset_link(config: Config, email: str) -> None:
    token = os.urandom(24).hex()
    _change(config, email, lambda tx, user: users.add_reset_link(tx, user, token))
    click.echo(token)
    click.echo('Send it as  POST /v1/auth/reset-password {"token": ..., "new_password": ...}', err=True)


@click.command("setup-link", help="Print a token that makes the first owner, once, within half an hour.")
@with_config
def setup_link(config: Config) -> None:
    token = os.urandom(24).hex()
    if not _write(config, users.add_setup_link, token):
        raise DeltaError("there are users already: `delta-server user list` shows them")
    click.echo(token)
    click.echo('Send it as  POST /v1/setup {"token": ..., "email": ..., "password": ...}', err=True)


def _password() -> str:
    if sys.stdin.isatty():
        text: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return text
    return sys.stdin.readline().rstrip("\r\n")


def _change(config: Config, email: str, change: Callable[[Tx, User], None]) -> None:
    _write(config, lambda tx: change(tx, users.named(tx, email)))


def _write(config: Config, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `fn` in one write transaction. Raises DeltaError, with a way out while a server holds the database."""

    async def run() -> T:
        async with app.open_services(config) as svc:
            return await svc.db.write(fn, *args, **kwargs)

    try:
        return asyncio.run(run())
    except InUse as error:
        raise DeltaError(f"{error.message}\nStop the server to change its users by command.") from error
