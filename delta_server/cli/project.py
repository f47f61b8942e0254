"""`project list`, `create`, `rename`, `plan`, `members`, `transfer`, `delete`, `restore`."""

from collections.abc import Iterator

import click
import msgspec

from delta_server.cli import asking, running
from delta_server.cli.options import with_config, with_database
from delta_server.config.sections import Config
from delta_server.features.projects.project_commands import (
    LISTED_AT_ONCE,
    After,
    Before,
    Deleted,
    ListedBin,
    ListedMember,
    ListedMembers,
    ListedProject,
    MemberChange,
    MembersBehind,
    NewProjectNamed,
    NewProjectOwner,
    PlanChange,
    Renamed,
    Restored,
    Transferred,
)

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_ROLES = click.Choice(("viewer", "editor", "admin"))


@click.group(help="List, create, rename, delete and restore projects; change their plans, members and owners.")
def project() -> None:
    pass


@project.command("list", help="List all projects by name.")
@click.option("--deleted", is_flag=True, help="Those in the bin, what was deleted last first.")
@_JSON
@with_database
def list_(config: Config, deleted: bool, as_json: bool) -> None:
    for each in _binned(config) if deleted else _all(config):
        day = f"{each.id}  until {each.purge_at}" if deleted else each.created_at[:10]
        _echo(each, f"{each.name}  {each.plan}  {day}  {each.description}".rstrip(), as_json)


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


@project.command(help="Give a project, by id or name, to another user, who becomes its admin.")
@click.argument("name")
@click.argument("email")
@_JSON
@with_database
def transfer(config: Config, name: str, email: str, as_json: bool) -> None:
    owner: NewProjectOwner = running.run(config, "project transfer", Transferred(name, email))
    _echo(owner, f"{name} is owned by {owner.email} now.", as_json)


@project.command(
    help="Delete a project, by id or name, with all that is in it. It lies in the bin for storage.bin_days, and can be "
    "restored until then; meanwhile its keys are refused."
)
@click.argument("name")
@click.option("--purge", is_flag=True, help="For good, also what lies in the bin.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_JSON
@with_database
def delete(config: Config, name: str, purge: bool, yes: bool, as_json: bool) -> None:
    how = "for good" if purge or not config.storage.bin_days else "until it is restored from the bin"
    asking.confirm(f"Delete the project {name} with all that is in it, {how}?", yes=yes)
    deleted: ListedProject = running.run(config, "project delete", Deleted(name, purge))
    if as_json:
        click.echo(msgspec.json.encode(deleted).decode())
    elif deleted.purge_at is None:
        click.echo(f"Deleted {deleted.name} for good.", err=True)
    else:
        click.echo(
            f"Deleted {deleted.name}. Until {deleted.purge_at}: delta-server project restore {deleted.id}", err=True
        )


@project.command(help="Take a project, by id or name, out of the bin, with all that was in it and its keys.")
@click.argument("name")
@click.option("--name", "new_name", help="Another name, where its own is taken by now.")
@_JSON
@with_database
def restore(config: Config, name: str, new_name: str | None, as_json: bool) -> None:
    restored: ListedProject = running.run(config, "project restore", Restored(name, new_name))
    _echo(restored, f"Restored {restored.name}.", as_json)


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


def _binned(config: Config) -> Iterator[ListedProject]:
    before = None
    while True:
        found: ListedBin = running.run(config, "project list-deleted", Before(before))
        yield from found.projects
        if (before := found.before) is None:
            return


def _echo(row: ListedProject | ListedMember | NewProjectOwner, text: str, as_json: bool) -> None:
    click.echo(msgspec.json.encode(row).decode() if as_json else text)
