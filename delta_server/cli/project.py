"""`project list`, `create`, `rename`, `plan`, `members`, `delete`."""

from collections.abc import Iterator

import click
import msgspec

from delta_server.cli import running
from delta_server.cli.options import with_config, with_database
from delta_server.config.sections import Config
from delta_server.features.projects.project_commands import (
    LISTED_AT_ONCE,
    After,
    ListedMember,
    ListedMembers,
    ListedProject,
    MemberChange,
    MembersBehind,
    Named,
    NewProjectNamed,
    PlanChange,
    Renamed,
)

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_ROLES = click.Choice(("viewer", "editor", "admin"))


@click.group(help="List, create, rename and delete projects; change their plans and members.")
def project() -> None:
    pass


@project.command("list", help="List all projects by name.")
@_JSON
@with_database
def list_(config: Config, as_json: bool) -> None:
    for each in _all(config):
        _echo(each, f"{each.name}  {each.plan}  {each.created_at[:10]}  {each.description}".rstrip(), as_json)


@project.command(help="Make a project.")
@click.argument("name")
@click.option("--description", default="", help="What it is for.")
@click.option("--plan", help="What it may store: one of the configuration's plans.  [default: enterprise]")
@_JSON
@with_config
def create(config: Config, name: str, description: str, plan: str | None, as_json: bool) -> None:
    made: ListedProject = running.run(config, "project create", NewProjectNamed(name, description, plan))
    _echo(made, f"Created {made.name}, plan {made.plan}.", as_json)


@project.command(help="Give a project, by id or name, another name.")
@click.argument("name")
@click.argument("new_name")
@_JSON
@with_database
def rename(config: Config, name: str, new_name: str, as_json: bool) -> None:
    renamed: ListedProject = running.run(config, "project rename", Renamed(name, new_name))
    _echo(renamed, f"{name} is named {renamed.name} now.", as_json)


@project.command(help="Give a project, by id or name, another plan. It holds from the next request on.")
@click.argument("name")
@click.argument("plan")
@_JSON
@with_database
def plan(config: Config, name: str, plan: str, as_json: bool) -> None:
    changed: ListedProject = running.run(config, "project plan", PlanChange(name, plan))
    _echo(changed, f"{changed.name} has the plan {changed.plan} now.", as_json)


@project.command(help="List a project's members, after adding, changing or removing one.")
@click.argument("name")
@click.option("--set", "set_", type=(str, _ROLES), metavar="EMAIL ROLE", help="Add a member, or change a role.")
@click.option("--remove", metavar="EMAIL", help="Remove a member.")
@_JSON
@with_database
def members(config: Config, name: str, set_: tuple[str, str] | None, remove: str | None, as_json: bool) -> None:
    if set_ is not None and remove is not None:
        raise click.UsageError("give either --set or --remove")
    if set_ is not None:
        change = msgspec.convert({"project": name, "email": set_[0], "role": set_[1]}, MemberChange)
        running.run(config, "project set-member", change)
    if remove is not None:
        running.run(config, "project set-member", MemberChange(name, remove, None))
    for each in _members(config, name):
        _echo(each, f"{each.email}  {each.role}  {each.since[:10]}  {each.name}".rstrip(), as_json)


@project.command(help="Delete a project, by id or name, with all that is in it, and revoke its keys.")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_database
def delete(config: Config, name: str, yes: bool) -> None:
    if not yes:
        click.confirm(f"Delete the project {name} with all that is in it, and revoke its keys?", abort=True)
    running.run(config, "project delete", Named(name))
    click.echo(f"Deleted {name}.", err=True)


def _members(config: Config, name: str) -> Iterator[ListedMember]:
    after = None
    while True:
        found: ListedMembers = running.run(config, "project members", MembersBehind(name, after))
        yield from found.members
        after = found.after
        if after is None:
            return


def _all(config: Config) -> Iterator[ListedProject]:
    after = None
    while True:
        found: list[ListedProject] = running.run(config, "project list", After(after))
        yield from found
        if len(found) < LISTED_AT_ONCE:
            return
        after = found[-1].name


def _echo(row: ListedProject | ListedMember, text: str, as_json: bool) -> None:
    click.echo(msgspec.json.encode(row).decode() if as_json else text)
