"""What happened to endpoints, by day."""

from delta_server.features.activity import store
from delta_server.http.feature import Feature
from delta_server.services import Cascade

FEATURE = Feature(
    name="activity",
    tables=["activity"],
    cascades=[Cascade("endpoint", lambda _: store.delete_some)],
)
