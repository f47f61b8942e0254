"""`track`: an API's address, and Delta asks for it from now on."""

import click
import msgspec

from delta_server.cli import counting, running
from delta_server.cli.options import with_config
from delta_server.config.sections import Config
from delta_server.core.errors import Invalid
from delta_server.features.polls.commands import Track, Tracked

HELP = """Poll URL from now on, and keep every version of what it answers.

It is asked for at once, and then by the server (`delta-server serve`), which may be running already. Answers that are
not JSON are read as CSV, YAML, XML, a feed or a calendar. More can be said by PATCH /v1/endpoints.
"""


@click.command(help=HELP)
@click.argument("url")
@click.option("--every", default=None, help="How often: 30s, 5m, 1h, 1d.  [default: 5m]")
@click.option("--cron", default=None, help='When, instead: five fields, such as "30 6 * * MON-FRI".')
@click.option("--timezone", default="UTC", help="Of --cron, such as Europe/Berlin.  [default: UTC]")
@click.option("--endpoint", default=None, help="The endpoint's name.  [default: host and path of URL]")
@click.option("--project", default=None, help="By name; made when absent.  [default: the only one, or default]")
@click.option("--header", "headers", multiple=True, metavar='"NAME: VALUE"', help="Sent with it; may be repeated.")
@click.option("--transform", default=None, help="JMESPath: the part of the answer to keep.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_config
def track(
    config: Config,
    url: str,
    every: str | None,
    cron: str | None,
    timezone: str,
    endpoint: str | None,
    project: str | None,
    headers: tuple[str, ...],
    transform: str | None,
    as_json: bool,
) -> None:
    schedule = {"interval": every or "5m"} if cron is None else {"cron": cron, "timezone": timezone}
    if cron is not None and every is not None:
        raise click.UsageError("give --every or --cron")
    polling = {"url": url, "headers": dict(map(_pair, headers)), "transform": transform, **schedule}
    done: Tracked = running.run(config, "track", Track(polling, project, endpoint))
    if as_json:
        click.echo(msgspec.json.encode(done))
        return
    when = f"every {every or '5m'}" if cron is None else f"at {cron} ({timezone})"
    click.echo(f"{done.endpoint} in {done.project}, {when}: {_said(done)}")
    if not done.is_served:
        click.echo("No server runs on this directory: delta-server serve goes on with it.", err=True)


def _pair(header: str) -> tuple[str, str]:
    name, colon, value = header.partition(":")
    if not colon:
        raise Invalid(f'a header is written "NAME: VALUE", not {header!r}')
    return name.strip(), value.strip()


def _said(done: Tracked) -> str:
    if done.error_class is not None:
        return f"the first poll failed ({done.error_class}): {done.detail}"
    if done.status is None:
        return "the first poll has not ended yet"
    return f"{done.status}, {counting.size(done.received_bytes)} received, next at {done.next_at}"
