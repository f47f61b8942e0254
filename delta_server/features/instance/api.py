"""GET /v1/instance: the server as a whole."""

import platform

from litestar import Response, get
from litestar.di import NamedDependency

from delta_server.core import times
from delta_server.features.instance import service
from delta_server.features.instance.schemas import ColdStorage, ConfigValue, DirectoryPart, Instance
from delta_server.http import health
from delta_server.http.docs import example
from delta_server.http.health import Vitals
from delta_server.services import Services

_EXAMPLE = {
    "version": "0.1.0",
    "python": "3.12.4",
    "platform": "Linux x86_64",
    "started_at": "2026-05-01T12:00:00.000Z",
    "uptime_s": 86400,
    "data_directory": "/var/lib/delta",
    "data_bytes": 19283968,
    "parts": [{"name": "database", "bytes": 10485760}, {"name": "log", "bytes": 409600}],
    "cold": {"address": "s3://example/delta", "objects": 120, "bytes": 3221225472, "answers": True},
    "open_streams": 2,
    "health": health.EXAMPLE,
    "config": [{"name": "server.port", "value": "8080", "is_default": True, "is_secret": False}],
}


@get(
    "/v1/instance",
    summary="The server as a whole: version, sizes, health, configuration",
    tags=["Health"],
    opt=example(answer=_EXAMPLE),
)
async def instance(services: NamedDependency[Services], vitals: NamedDependency[Vitals]) -> Response[Instance]:
    """For an owner or an admin of the instance, and account keys with the scope. Also when it is not healthy."""
    found, parts = vitals.health(), await service.directory_parts(services)
    answer = Instance(
        version=found.version,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        started_at=times.format(services.clock.now_ms() - 1000 * found.uptime_s),
        uptime_s=found.uptime_s,
        data_directory=str(services.config.storage.data_dir.absolute()),
        data_bytes=sum(parts.values()),
        parts=[DirectoryPart(name, size) for name, size in parts.items()],
        cold=_cold(services),
        open_streams=services.live.open,
        health=found,
        config=[ConfigValue(*value) for value in service.config_in_force(services.config)],
    )
    return Response(answer, headers={"cache-control": "no-store"})


def _cold(svc: Services) -> ColdStorage | None:
    address, cold = svc.config.storage.cold, svc.contents.cold
    if not address and not cold.counts.objects:
        return None
    return ColdStorage(address, cold.counts.objects, cold.counts.object_bytes, answers=not cold.away)


ROUTES = [instance]
