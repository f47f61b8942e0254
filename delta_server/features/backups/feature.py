"""Backups over HTTP."""

from delta_server.features.backups import api, service
from delta_server.http.feature import Feature
from delta_server.http.guards import Access

FEATURE = Feature(
    name="backups",
    routes=api.ROUTES,
    guards={("GET", "/v1/backup"): Access("admin", keys="account")},
    at_start=service.delete_unfinished,
    end_streams=lambda services: service.stream(services).stop(),
)
