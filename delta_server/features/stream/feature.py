"""What happens in a project, as it happens."""

from delta_server.features.stream import api
from delta_server.http.feature import Feature
from delta_server.http.guards import READ

FEATURE = Feature(
    name="stream",
    routes=api.ROUTES,
    guards={("GET", "/v1/stream"): READ},
    end_streams=lambda services: services.live.stop(),
)
