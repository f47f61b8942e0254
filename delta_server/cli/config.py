"""`config show` and `version`."""

import click

from delta_server import __version__
from delta_server.cli.options import with_loaded
from delta_server.config.load import Loaded, shown


@click.group(help="Show the configuration.")
def config() -> None:
    pass


@config.command(help="Print every option, its effective value and where that came from; secrets are masked.")
@with_loaded
def show(loaded: Loaded) -> None:
    rows = shown(loaded)
    names, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, value, source in rows:
        click.echo(f"{name:<{names}} = {value:<{values}}  # {source}")


@click.command(help="Print the version.")
def version() -> None:
    click.echo(__version__)
