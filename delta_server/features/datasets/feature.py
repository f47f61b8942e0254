"""Datasets: deliveries of many rows, each compared with the one before."""

from delta_server.features.datasets import api, deliveries, schemas, store
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ, Access
from delta_server.services import Cascade
from delta_server.tasks.periodic import Periodic

_WRITE = Access("write")

FEATURE = Feature(
    name="datasets",
    routes=api.ROUTES,
    guards={
        ("GET", "/v1/datasets"): READ,
        ("GET", "/v1/datasets/{}"): READ,
        ("PATCH", "/v1/datasets/{}"): ADMIN,
        ("DELETE", "/v1/datasets/{}"): ADMIN,
        ("GET", "/v1/datasets/{}/{}"): READ,
        ("DELETE", "/v1/datasets/{}/{}"): ADMIN,
        ("PUT", "/v1/datasets/{}/{}/current"): Access("write", body="stream", rate_class="ingest"),
        ("DELETE", "/v1/datasets/{}/{}/current"): _WRITE,
        ("GET", "/v1/datasets/{}/{}/current"): READ,
        ("GET", "/v1/datasets/{}/{}/previous"): READ,
        ("POST", "/v1/datasets/{}/{}/promote"): _WRITE,
    },
    path_parameters={"dataset": "The name of the dataset", "client": "Who delivers: any name"},
    fields=schemas.FIELDS,
    tables=["dataset", "dataset_client", "dataset_upload"],
    at_start=deliveries.forget_unfinished,
    cascades=[Cascade("project", lambda _: store.delete_some, deliveries.delete_of_project)],
    periodic=[Periodic("delete deliveries that were replaced", deliveries.sweep, every_s=600)],
)
