"""What events say of users and groups."""

from delta_server.features.profiles import service, views
from delta_server.http.feature import Feature
from delta_server.services import Cascade

FEATURE = Feature(
    name="profiles",
    tables=["profile", "profiled", "alias", "person_link", "person_state", "person_change"],
    sql_views={"profiles": views.PROFILES},
    cascades=[Cascade("project", lambda _: service.delete_some)],
)
