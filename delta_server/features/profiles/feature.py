"""What events say of users and groups."""

from delta_server.features.profiles import service
from delta_server.http.feature import Feature
from delta_server.services import Cascade

FEATURE = Feature(
    name="profiles",
    tables=["profile", "profiled", "alias", "person_link", "person_state", "person_change"],
    cascades=[Cascade("project", lambda _: service.delete_some)],
)
