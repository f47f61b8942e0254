"""What documents of endpoints are held against before they are stored. Features/schemas has the routes."""

from delta_server.features.enforcement import store
from delta_server.http.feature import Feature
from delta_server.services import Cascade

FEATURE = Feature(
    name="enforcement",
    tables=["enforcement", "kept_aside"],
    cascades=[Cascade("endpoint", lambda _: store.delete_some)],
)
"""No routes of its own."""
