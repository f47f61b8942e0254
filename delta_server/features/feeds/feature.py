"""What changed, for people who read rather than receive: Atom and JSON Feed under secret addresses."""

from delta_server.features.feeds import api, schemas, store
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ, Access
from delta_server.services import Cascade

_BY_TOKEN = Access(public=True)
"""In the path; the handler looks for it."""

FEATURE = Feature(
    name="feeds",
    family="endpoints",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("POST", "/v1/feeds"): ADMIN,  # it exposes what changes
        ("GET", "/v1/feeds"): READ,
        ("POST", "/v1/feeds/{}/rotate"): ADMIN,
        ("DELETE", "/v1/feeds/{}"): ADMIN,
        ("GET", "/v1/feeds/{}/atom.xml"): _BY_TOKEN,
        ("GET", "/v1/feeds/{}/feed.json"): _BY_TOKEN,
    },
    path_parameters={"feed_id": "The feed's id", "feed_token": "The feed's token, which only its readers are to see"},
    tables=["feed"],
    cascades=[
        Cascade("endpoint", lambda _: store.delete_of_endpoint),
        Cascade("project", lambda _: store.delete_of_project),
    ],
)
