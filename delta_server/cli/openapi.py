"""`openapi`: the API's description, as a server answers it at /docs/openapi.json."""

import click
import msgspec

from delta_server import app
from delta_server.config.sections import Config
from delta_server.http import docs


@click.command(help="Print the API's description (OpenAPI), for generators of clients. Needs no server and no data.")
def openapi() -> None:
    click.echo(msgspec.json.encode(docs.describe(app.routed(Config()))).decode())
