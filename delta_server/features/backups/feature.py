"""Backups: taken by the clock and kept, and downloaded as they are made."""

from collections.abc import Iterator

from delta_server.features.backups import api, kept_api, notices, restoring, schemas, service, taking
from delta_server.features.backups.keeper import Keeper
from delta_server.http.feature import Feature
from delta_server.http.guards import Access
from delta_server.http.metrics import Sample
from delta_server.services import Services
from delta_server.tasks.loops import Loop


def _samples(svc: Services) -> Iterator[Sample]:
    """No age where there is no backup: nothing would be as wrong as zero."""
    state = svc.state(Keeper)
    yield Sample("delta_backup_failing", "1 while the last backup has failed.", state.failed is not None)
    if state.newest_ms is not None:
        age_s = max(0, svc.clock.now_ms() - state.newest_ms) / 1000
        yield Sample("delta_backup_age_seconds", "Age of the newest backup that the server keeps.", age_s)


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
    samples=_samples,
    end_streams=lambda services: service.stream(services).stop(),
)
