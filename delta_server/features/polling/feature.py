"""How endpoints are polled. Their routes take it (features/endpoints), and features/polls polls."""

from delta_server.features.polling import schemas, store
from delta_server.http.feature import Feature
from delta_server.services import Cascade

FEATURE = Feature(
    name="polling",
    fields=schemas.FIELDS,
    tables=["polling"],
    cascades=[Cascade("endpoint", lambda _: store.delete_some), Cascade("project", revive=store.set_due)],
)
"""No routes of its own."""
