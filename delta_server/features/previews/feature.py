"""Settings tried on recorded history before they are made."""

from delta_server.features.previews import api, schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import READ

FEATURE = Feature(
    name="previews",
    family="snapshots",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={("POST", "/v1/endpoints/{}/preview"): READ},
)
