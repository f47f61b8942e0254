"""Outbound webhooks: programs and people hear of what happens, signed, in order, until it has arrived."""

from delta_server.features.webhooks import (
    api,
    deliveries_api,
    delivery_schemas,
    event_batches,
    expiring,
    fanout,
    notices,
    schemas,
    sending,
    service,
    store,
)
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ, Access
from delta_server.services import Cascade
from delta_server.tasks.loops import Loop
from delta_server.tasks.periodic import Periodic

_WRITE = Access("write")

FEATURE = Feature(
    name="webhooks",
    routes=[*api.ROUTES, *deliveries_api.ROUTES],
    guards={
        ("POST", "/v1/webhooks"): ADMIN,
        ("GET", "/v1/webhooks"): READ,
        ("GET", "/v1/webhooks/{}"): READ,
        ("PATCH", "/v1/webhooks/{}"): ADMIN,
        ("DELETE", "/v1/webhooks/{}"): ADMIN,
        ("POST", "/v1/webhooks/{}/rotate-secret"): ADMIN,
        ("POST", "/v1/webhooks/{}/test"): _WRITE,
        ("POST", "/v1/webhooks/{}/recover"): _WRITE,
        ("GET", "/v1/webhooks/deliveries"): READ,
        ("GET", "/v1/webhooks/timeline"): READ,
        ("GET", "/v1/webhooks/deliveries/{}"): READ,
        ("POST", "/v1/webhooks/deliveries/{}/redeliver"): _WRITE,
    },
    path_parameters={"webhook_id": "The webhook's id", "delivery_id": "The delivery's id"},
    fields={**schemas.FIELDS, **delivery_schemas.FIELDS},
    tables=["webhook", "delivery", "webhook_hour"],
    cascades=[Cascade("project", lambda _: service.delete_some)],
    loops=[
        Loop("fan out to webhooks", fanout.fan_out),
        Loop("fan out events to webhooks", event_batches.follow),
        Loop("send webhooks", sending.send),
    ],
    jobs=[notices.JOB],
    queues={"webhook_deliveries_open": store.count_open},
    periodic=[Periodic("expire deliveries", expiring.expire, every_s=3600)],
)
