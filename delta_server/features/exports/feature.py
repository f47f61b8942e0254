"""Events and histories out, as files."""

import asyncio
import shutil

from delta_server.features.exports import api, histories, schemas
from delta_server.features.exports.commands import COMMANDS
from delta_server.http.feature import Feature
from delta_server.http.guards import READ
from delta_server.services import Services


async def _begin(svc: Services) -> None:
    """At each start: what a table had not deleted when its process was killed."""
    folder = svc.config.storage.data_dir / histories.SPILL_NAME
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


FEATURE = Feature(
    name="exports",
    routes=api.ROUTES,
    guards={
        ("GET", "/v1/export/events"): READ,
        ("GET", "/v1/export/aggregated"): READ,
        ("GET", "/v1/export/history"): READ,
        ("POST", "/v1/export/features"): READ,
    },
    fields=schemas.FIELDS,
    commands=COMMANDS,
    at_start=_begin,
)
