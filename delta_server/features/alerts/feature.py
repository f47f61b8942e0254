"""Alerts: what people want to hear of, judged as data comes in, and tried on recorded history before it is saved."""

from delta_server.features.alerts import api, expiring, judging, schemas, sending, service, timing, trial_schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ, Access
from delta_server.services import Cascade
from delta_server.tasks.loops import Loop
from delta_server.tasks.periodic import Periodic

_WRITE = Access("write")

FEATURE = Feature(
    name="alerts",
    routes=api.ROUTES,
    guards={
        ("POST", "/v1/alerts/try"): READ,
        ("POST", "/v1/alerts/rules"): _WRITE,
        ("GET", "/v1/alerts/rules"): READ,
        ("GET", "/v1/alerts/rules/{}"): READ,
        ("PATCH", "/v1/alerts/rules/{}"): _WRITE,
        ("DELETE", "/v1/alerts/rules/{}"): ADMIN,
        ("GET", "/v1/alerts"): READ,
        ("GET", "/v1/alerts/digest"): READ,
    },
    path_parameters={"rule_id": "The rule's id"},
    fields={**schemas.FIELDS, **trial_schemas.FIELDS},
    tables=["alert_rule", "alert", "alert_notice"],
    cascades=[
        Cascade("endpoint", lambda _: service.delete_of_endpoint),
        Cascade("project", lambda _: service.delete_of_project),
    ],
    loops=[Loop("judge alerts", judging.follow)],
    periodic=[
        Periodic("judge alerts of time", timing.judge_due, every_s=15),
        Periodic("send what alerts held back", sending.send_due, every_s=15),
        Periodic("expire alerts", expiring.expire, every_s=3600),
    ],
)
