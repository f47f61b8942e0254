"""Backups: taken by the clock and kept, and downloaded as they are made."""

from delta_server.features.backups import api, kept_api, metrics, notices, restoring, schemas, service, taking
from delta_server.http.feature import Feature
from delta_server.http.guards import Access
from delta_server.tasks.loops import Loop

_OWNER = Access("admin", keys="account")

FEATURE = Feature(
    name="backups",
    routes=[*api.ROUTES, *kept_api.ROUTES],
    fields=schemas.FIELDS,
    guards={
        ("GET", "/v1/backup"): _OWNER,
        ("GET", "/v1/backups"): _OWNER,
        ("POST", "/v1/backups"): _OWNER,
        ("GET", "/v1/backups/state"): _OWNER,
        ("GET", "/v1/backups/{}"): _OWNER,
        ("POST", "/v1/backups/{}/verify"): _OWNER,
        ("POST", "/v1/backups/{}/restore"): _OWNER,
    },
    path_parameters={"backup": "A backup's name"},
    loops=[Loop("take backups", taking.follow)],
    jobs=[notices.JOB],
    at_start=restoring.begin,
    samples=metrics.samples,
    end_streams=lambda services: service.stream(services).stop(),
)
