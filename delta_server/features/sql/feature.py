"""Queries in SQL."""

from delta_server.features.sql import api, schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import READ

FEATURE = Feature(name="sql", routes=api.ROUTES, guards={("POST", "/v1/sql"): READ}, fields=schemas.FIELDS)
