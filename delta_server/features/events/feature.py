"""Events in: Delta's own, Segment's calls, OpenTelemetry's logs."""

from functools import partial

from delta_server.features.events import api, commands, schemas, service, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, INGEST, KEY_IN_PATH, READ
from delta_server.http.health import Dependency
from delta_server.services import Cascade
from delta_server.tasks.loops import Loop
from delta_server.tasks.periodic import Periodic

_CALLS = ("track", "identify", "page", "screen", "group", "alias", "batch")
_SEAL, _MAINTENANCE = "seal new events", "roll up, compact and expire events"

FEATURE = Feature(
    name="events",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("POST", "/v1/events"): INGEST,
        ("POST", "/v1/events/batch"): INGEST,
        ("GET", "/v1/events/retention"): READ,
        ("PUT", "/v1/events/retention"): ADMIN,
        ("GET", "/v1/events/stats"): READ,
        **{("POST", f"/v1/{call}"): INGEST for call in _CALLS},
        **{("POST", f"/v1/{letter}"): INGEST for letter in "tipsgab"},
        # Jitsu's clients send the same calls to /api/s/CALL, its servers to /api/s/s2s/CALL
        **{("POST", f"/v1/s/{at}{call}"): INGEST for at in ("", "s2s/") for call in _CALLS},
        ("POST", "/v1/import"): INGEST,
        ("POST", "/beacon/v1/batch"): INGEST,
        ("GET", "/sourceConfig"): INGEST,
        ("GET", "/v1/projects/{}/settings"): KEY_IN_PATH,
        ("POST", "/v1/logs"): INGEST,
    },
    path_parameters={"write_key": "A write key; no other may stand in an address"},
    cascades=[Cascade("project", delete_elsewhere=service.delete_some)],
    commands=commands.COMMANDS,
    loops=[Loop(_SEAL, tasks.seal)],
    periodic=[Periodic(_MAINTENANCE, tasks.run_maintenance, every_s=60)],
    # No project has the number 0: this reads what is to be read for nobody.
    health=lambda services: Dependency(
        "event_store", partial(services.event_reader.positions, 0), frozenset({_SEAL, _MAINTENANCE})
    ),
)
