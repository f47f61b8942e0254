"""`cold`: what is in cold storage, and whose it is."""

import click

from delta_server.cli import running
from delta_server.cli.options import with_database
from delta_server.config.sections import Config
from delta_server.features.cold.service import Adopted, ColdState
from delta_server.tasks.commands import NoArguments


@click.group(help="Show and move what is in cold storage (storage.cold), beside a running server too.")
def cold() -> None:
    pass


@cold.command(help="Print how much is there, and what waits to come back or to be deleted.")
@with_database
def state(config: Config) -> None:
    _print(running.run(config, "cold state", NoArguments()))


@cold.command(
    help="Move what is due now, as the background does each minute: old packs and segments there, and back what "
    "is in another place than storage.cold names."
)
@with_database
def move(config: Config) -> None:
    done: ColdState = running.run(config, "cold move", NoArguments(), doing="moving")
    click.echo(f"moved {done.moved_bytes / 1e6:.1f} MB")
    _print(done)


@cold.command(
    help="After a restore, when the server that the backup was made of is gone for good: delete there what "
    "this database does not name, and from now on what it no longer needs."
)
@with_database
def adopt(config: Config) -> None:
    done: Adopted = running.run(config, "cold adopt", NoArguments())
    click.echo(f"{done.objects} objects are this database's now; {done.deleted} that it does not name are deleted")
    if done.away:
        raise click.ClickException(f"{', '.join(done.away)} did not answer: what is there stays as it is")


def _print(found: ColdState) -> None:
    click.echo(f"cold storage: {found.address or 'none'}")
    click.echo(f"{found.objects} packs and segments, {found.size_bytes / 1e6:.1f} MB")
    if found.elsewhere:
        click.echo(f"{found.elsewhere} of them are in a place that was named before, and come back")
    if found.free:
        click.echo(f"{found.free} that are not used any more wait to be deleted")
    if found.held:
        click.echo(f"{found.held} of these came with a backup and stay: see `delta-server cold adopt`")
