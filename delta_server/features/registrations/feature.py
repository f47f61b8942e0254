"""Accounts that people make for themselves."""

from delta_server.features.registrations import api, schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import SIGN_IN

FEATURE = Feature(
    name="registrations",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={("POST", "/v1/auth/register"): SIGN_IN},
)
