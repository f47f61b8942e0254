"""Endpoints polled: by their schedule, and when somebody asks."""

from delta_server.features.polls import api, commands, schemas, store, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import READ, Access
from delta_server.services import Cascade
from delta_server.tasks.loops import Loop
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="polls",
    family="endpoints",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("POST", "/v1/endpoints/{}/poll"): Access("write"),
        ("POST", "/v1/endpoints/preview"): Access("write"),
        ("GET", "/v1/endpoints/{}/polls"): READ,
        ("GET", "/v1/endpoints/{}/polls/summary"): READ,
        ("GET", "/v1/polls/failing"): READ,
    },
    tables=["poll"],
    commands=commands.COMMANDS,
    cascades=[Cascade("endpoint", lambda _: store.delete_some)],
    loops=[Loop("poll endpoints", tasks.poll_due)],
    periodic=[Periodic("expire records of polls", tasks.expire, every_s=3600)],
)
