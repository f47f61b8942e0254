"""`healthcheck`: whether the server that these options describe answers, for containers and service managers."""

import sys

import click
import msgspec

from delta_server.cli.options import with_config
from delta_server.config.sections import Config
from delta_server.core.errors import DeltaError
from delta_server.egress import own_server


@click.command(
    help="Ask the running server whether it and its database answer. Exits with 0 when they do, with 1 when not."
)
@click.option("--host", help="Address it listens at.  [default: 127.0.0.1]")
@click.option("--port", help="Port it listens at.  [default: 8080]")
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=3, help="How long to wait.  [default: 3]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, as GET /healthz answers it.")
@with_config
def healthcheck(config: Config, seconds: float, as_json: bool) -> None:
    server = config.server
    url = own_server.address_of(server.host, server.port, tls=bool(server.tls_cert)) + "/healthz"
    try:
        answer = own_server.get(url, seconds=seconds, certificate=server.tls_cert)
        found = msgspec.json.decode(answer.body, type=dict[str, str]) if answer.status in (200, 503) else {}
        reason = "" if answer.status == 200 else f"{url} answers {answer.status}"
    except (DeltaError, msgspec.MsgspecError) as error:
        found, reason = {}, str(error)
    status = found.get("status", "failing") if not reason else "failing"
    if as_json:
        click.echo(msgspec.json.encode({**found, "status": status, **({"reason": reason} if reason else {})}))
    else:
        click.echo(reason or status, err=bool(reason))
    if status != "ok":
        sys.exit(1)
