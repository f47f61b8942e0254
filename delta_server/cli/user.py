"""`user add`, `invite`, `list`, `role`, `disable`, `enable`, `reset-link`, `reset-totp`; `setup-link`."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from delta_server.cli import running
from delta_server.cli.options import with_config, with_database
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.errors import DeltaError
from delta_server.core.links import PAGE, first_owner_link, link
from delta_server.features.invitations.commands import Invite
from delta_server.features.invitations.schemas import InvitationAnswer
from delta_server.features.users import service as users
from delta_server.features.users.commands import (
    LISTED_AT_ONCE,
    Disabling,
    ListedUser,
    Named,
    NewUser,
    RoleChange,
    UsersBehind,
)
from delta_server.tasks.commands import NoArguments

_force = click.option("--force", is_flag=True, help="Though the instance has no other owner.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@click.group(help="Add, invite, list and change the people who sign in.")
def user() -> None:
    pass


@user.command(help="Add a person. The password is asked for, or read from standard input.")
@click.argument("email")
@click.option("--role", type=click.Choice(users.ROLES), default="member", help="What they may do.  [default: member]")
@click.option("--name", default="", help="Their name.")
@_json
@with_config
def add(config: Config, email: str, role: str, name: str, as_json: bool) -> None:
    email = running.run(config, "user add", NewUser(email, role, name, _password()))
    _say(as_json, f"Added {email}, {role}.", email=email, role=role)


@user.command(help="Invite somebody: prints the token, or a link with it, that makes them a user, once.")
@click.argument("email")
@click.option("--role", help="owner, admin or member; viewer, editor or admin of a project.  [default: member; viewer]")
@click.option("--project", help="The project that they shall be a member of.")
@click.option("--expires-in", default="7d", show_default=True, help="How long the invitation is valid, at most 90d.")
@_json
@with_database
def invite(config: Config, email: str, role: str | None, project: str | None, expires_in: str, as_json: bool) -> None:
    wanted = role or ("member" if project is None else "viewer")
    made: InvitationAnswer = running.run(config, "user invite", Invite(email, project, wanted, expires_in))
    if as_json:
        click.echo(msgspec.json.encode(made).decode())
        return
    click.echo(made.link or made.token)
    if made.link is None:
        _tell_page(f"{PAGE}#invitation=", "/v1/invitations/accept", '"password": ..., "name": ...')


@user.command("list", help="List all people.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_database
def list_(config: Config, as_json: bool) -> None:
    for each in _all(config):
        row = {"email": each.email, "name": each.name, "role": each.role, "state": each.state}
        row["created_at"] = times.format(each.created_at)
        click.echo(json.dumps(row) if as_json else f"{each.email}  {each.role}  {each.state}  {each.name}".rstrip())


def _all(config: Config) -> Iterator[ListedUser]:
    after = ""
    while True:
        found: list[ListedUser] = running.run(config, "user list", UsersBehind(after))
        yield from found
        if len(found) < LISTED_AT_ONCE:
            return
        after = found[-1].email


@user.command(help="Change what a person may do: owner, admin or member of the instance.")
@click.argument("email")
@click.argument("role", type=click.Choice(users.ROLES))
@_force
@_json
@with_database
def role(config: Config, email: str, role: str, force: bool, as_json: bool) -> None:
    running.run(config, "user role", RoleChange(email, role, force))
    _say(as_json, f"{email} is {role} now.", email=email, role=role)


@user.command(help="Keep a person out, and end their sessions.")
@click.argument("email")
@_force
@_json
@with_database
def disable(config: Config, email: str, force: bool, as_json: bool) -> None:
    running.run(config, "user disable", Disabling(email, force))
    _say(as_json, f"{email} cannot sign in any more.", email=email, state="disabled")


@user.command(help="Let a person in again.")
@click.argument("email")
@_json
@with_database
def enable(config: Config, email: str, as_json: bool) -> None:
    running.run(config, "user enable", Named(email))
    _say(as_json, f"{email} can sign in again.", email=email, state="active")


@user.command("reset-link", help="Print a token, or a link with it, that sets a person's password, once, within a day.")
@click.argument("email")
@_json
@with_database
def reset_link(config: Config, email: str, as_json: bool) -> None:
    token = running.run(config, "user reset-link", Named(email))
    address = link(config.server.public_url, "reset", token)
    _say(as_json, address or token, email=email, token=token, link=address)
    if address is None and not as_json:
        _tell_page(f"{PAGE}#reset=", "/v1/auth/reset-password", '"new_password": ...')


@user.command("reset-totp", help="Take a person's second factor away: for who has lost the app and the recovery codes.")
@click.argument("email")
@_json
@with_database
def reset_totp(config: Config, email: str, as_json: bool) -> None:
    if not running.run(config, "user reset-totp", Named(email)):
        raise DeltaError(f"{email} has no second factor")
    _say(as_json, f"{email} signs in with the password alone now.", email=email, second_factor=False)


@click.command("setup-link", help="Print a token, or a link with it, that makes the first owner, within half an hour.")
@_json
@with_config
def setup_link(config: Config, as_json: bool) -> None:
    token = running.run(config, "setup-link", NoArguments())
    if token is None:
        raise DeltaError("there are users already: `delta-server user list` shows them")
    address = first_owner_link(config.server.public_url, token) if config.server.public_url else None
    _say(as_json, address or token, token=token, link=address)
    if address is None and not as_json:
        _tell_page("/setup#", "/v1/setup", '"email": ..., "password": ...')


def _tell_page(page: str, route: str, besides: str) -> None:
    """What a token is for where the server does not know the address at which browsers find it."""
    click.echo(
        f"Open {page}TOKEN at the server's address (with server.public_url this prints the whole link), or send it as"
        f'  POST {route} {{"token": ..., {besides}}}',
        err=True,
    )


def _say(as_json: bool, text: str, **found: Any) -> None:
    click.echo(json.dumps(found) if as_json else text)


def _password() -> str:
    if sys.stdin.isatty():
        text: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return text
    return sys.stdin.readline().rstrip("\r\n")
