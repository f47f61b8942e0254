"""`demo`: a week of earthquakes, imported, packed, described, and then served from a directory that goes afterwards."""

import asyncio
import os
import tempfile
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path

import click
import msgspec
from msgspec.structs import replace

from delta_server import app
from delta_server.cli import demo_feed, importing, plot, serve
from delta_server.cli.options import with_file
from delta_server.config.load import Loaded
from delta_server.config.sections import Config
from delta_server.core import secrets, times
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.accounts import service as accounts
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas.service import DeltaFilter
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service as history
from delta_server.features.projects import service as projects
from delta_server.features.users import service as users
from delta_server.services import Services
from delta_server.storage.contents import maintenance
from delta_server.storage.database import Tx

HISTORY = "usgs-quakes.ndjson.zst"
ENDPOINT = "quakes"
FIELD = "/metadata/count"
MOST_CHANGES = 1000


@click.command(help="Show Delta at work on a real recorded history, then serve it. Everything goes when it stops.")
@click.option("--host", help="Address to listen at.  [default: 127.0.0.1]")
@click.option("--port", help="Port to listen at; 0 picks a free one.  [default: 8080]")
@with_file
def demo(loaded: Loaded) -> None:
    server = loaded.config.server
    with (
        serve.listen(server.host, server.port) as listener,  # first: a taken port is reported before the work
        tempfile.TemporaryDirectory(prefix="delta-demo-") as directory,
    ):
        config = replace(loaded.config, storage=replace(loaded.config.storage, data_dir=Path(directory)))
        project, key = asyncio.run(_prepare(config))
        features = [*app.FEATURES, demo_feed.feature(project, _history())]
        serve.run(config, listener, greeting=lambda svc, url: _next_steps(svc, url, key), features=features)


async def _prepare(config: Config) -> tuple[int, str]:
    """Import the history and describe it; returns the project, and a key that may read and write."""
    async with app.open_services(config) as services:
        project, key = await services.db.write(_make_project, os.urandom(secrets.RANDOM_BYTES))
        click.echo("A week of the U.S. Geological Survey's earthquake feed (magnitude 4 and above), hour by hour:\n")
        await importing.run(services, project, ENDPOINT, _history())
        await maintenance.pack_everything(services.contents)
        endpoint = endpoints.resolve(services, project, ENDPOINT)
        for lines in (
            await _sizes(services, endpoint),
            await _fields(services, endpoint),
            await _delta(services, endpoint),
            await _plot(services, endpoint),
        ):
            click.echo("\n".join([*lines, ""]))
        return project, key


def _history() -> importing.Source:
    return importing.from_file(Path(str(files("delta_server") / "data" / HISTORY)))


def _make_project(tx: Tx, randomness: bytes) -> tuple[int, str]:
    account = accounts.default_account(tx)
    project = projects.ensure(tx, account, "demo").id
    return project, accounts.add_key(tx, account, project, randomness=randomness, scopes=("admin",), name="demo")


async def _sizes(services: Services, endpoint: EndpointRef) -> list[str]:
    totals = (await history.get_stats(services, endpoint, interval="1w", from_ms=None, to_ms=None)).totals
    return [
        f"{totals.snapshots} snapshots, {totals.raw_bytes / 1e6:.1f} MB of JSON, kept byte for byte "
        f"in {totals.stored_bytes / 1e3:.1f} kB: {totals.stored_bytes / totals.raw_bytes:.2%}",
    ]


async def _fields(services: Services, endpoint: EndpointRef) -> list[str]:
    fields, versions = await history.list_fields(services, endpoint, sought="", after=None, limit=5)
    return [
        "What changes most (GET /v1/endpoints/quakes/fields):",
        *(
            f"  {field.changes:>5} times in {field.deltas / versions:>4.0%} of the versions  {field.pattern}"
            for field in fields
        ),
    ]


async def _delta(services: Services, endpoint: EndpointRef) -> list[str]:
    found = await deltas.page(services, endpoint.project, endpoint, TimelineSpan(), limit=1, filter=DeltaFilter())
    delta = await deltas.get_delta(services, endpoint.project, found.deltas[0].to_snapshot_id, "changes")
    changes = msgspec.json.decode(msgspec.json.encode(delta.diff))
    return [
        f"What the last version changed, {delta.captured_at} (GET /v1/deltas/{delta.to_snapshot_id}?format=changes):",
        *(f"  {change['op']:<8}{change['path']}{_values(change)}" for change in changes),
    ]


def _values(change: dict[str, object]) -> str:
    return f"  {change['old']} -> {change['new']}" if change["op"] == "replace" else ""


async def _plot(services: Services, endpoint: EndpointRef) -> list[str]:
    found = await history.get_history(services, endpoint, FIELD, TimelineSpan(descending=False), limit=MOST_CHANGES)
    values = [
        (times.parse(change.captured_at, field="captured_at"), float(msgspec.json.decode(change.value)))
        for change in found.changes
        if isinstance(change.value, msgspec.Raw)
    ]
    return [
        f"The history of one field, {FIELD}: earthquakes in the window "
        "(GET /v1/endpoints/quakes/history?path=/metadata/count):",
        *plot.plot(values),
        f"{found.changes[0].captured_at[:10]:>17}{found.changes[-1].captured_at[:10]:>60}",
    ]


def _reach(host: str) -> str:
    """What to say where other machines reach the demo, whose link and key whoever has them may use."""
    try:
        is_local = ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    if is_local:
        return ""
    return f"""
Other machines reach {host}: whoever has the link or the key owns this demo, and both travel unencrypted. Without --host
only this machine does.
"""


def _next_steps(services: Services, url: str, key: str) -> str:
    bearer = f'-H "Authorization: Bearer {key}"'
    return f"""Delta is running, and its data goes when it stops (Ctrl-C). Open this, which signs you in, once:

  {url}/setup#demo={users.setup_token(services)}
{_reach(services.config.server.host)}
The same week runs on as the endpoint {demo_feed.ENDPOINT}, an hour every {demo_feed.EVERY_S} seconds.
Documentation of the API: {url}/docs. A key: {key}

Try:
  curl {bearer} '{url}/v1/deltas?endpoint_id=quakes&limit=1'
  curl {bearer} '{url}/v1/endpoints/quakes/history?path=/metadata/count&limit=5'
  curl {bearer} -H 'Content-Type: application/json' -d '{{"EUR": 1.08}}' '{url}/v1/snapshots?endpoint=prices'
"""
