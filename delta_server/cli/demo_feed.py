"""The demo's second endpoint: the recorded feed again, an hour every few seconds, so that something moves."""

import asyncio
from collections.abc import Iterator
from itertools import chain, cycle

from delta_server.cli.importing import Source
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.http.feature import Feature
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey
from delta_server.tasks.loops import Loop

ENDPOINT = "quakes-live"
EVERY_S = 3


def feature(project: int, source: Source) -> Feature:
    """What a demo's server has beside the others' features."""

    async def play(services: Services) -> None:
        for body in _there_and_back(await asyncio.to_thread(_bodies, source)):
            now_ms = services.clock.now_ms()
            new = NewSnapshot(ENDPOINT, body, now_ms, source="recording", checked=True, is_latest=True)
            await snapshots.create_snapshots(services, project, [new], IdempotencyKey.none(), limited=False)
            await asyncio.sleep(EVERY_S)

    return Feature(name="demo", loops=[Loop("play the recorded feed", play)])


def _bodies(source: Source) -> list[bytes]:
    return [version.body for version in source.read(lambda _: None)]


def _there_and_back(bodies: list[bytes]) -> Iterator[bytes]:
    """For ever, and never far from one version to the next: at the end it runs backwards."""
    return cycle(chain(bodies, bodies[-2:0:-1]))
