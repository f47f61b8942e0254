"""Questions in SQL."""

from delta_server.features.statements import api
from delta_server.http.feature import Feature
from delta_server.http.guards import READ

FEATURE = Feature(name="statements", routes=api.ROUTES, guards={("POST", "/v1/sql"): READ})
