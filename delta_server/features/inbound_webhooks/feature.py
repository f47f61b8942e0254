"""Other services' webhooks become snapshots of an endpoint, or events."""

from delta_server.features.inbound_webhooks import api, schemas, store
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, Access
from delta_server.services import Cascade

FEATURE = Feature(
    name="inbound_webhooks",
    family="endpoints",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("GET", "/v1/inbound-webhooks"): ADMIN,
        ("GET", "/v1/endpoints/{}/inbound-webhook"): ADMIN,
        ("PUT", "/v1/endpoints/{}/inbound-webhook"): ADMIN,
        ("POST", "/v1/endpoints/{}/inbound-webhook/rotate"): ADMIN,
        ("DELETE", "/v1/endpoints/{}/inbound-webhook"): ADMIN,
        # By the token in the path, which the handler looks for before it reads the body
        ("POST", "/v1/webhooks/{}/{}/{}"): Access(public=True, body="document", rate_class="ingest"),
    },
    path_parameters={"token": "The token of the endpoint's inbound webhook, which nobody else is to see"},
    tables=["inbound_webhook"],
    cascades=[Cascade("endpoint", lambda _: store.delete_some)],
)
