"""Datasets: deliveries of many rows, each compared with the one before."""

from delta_server.features.datasets import api, comparing, deliveries, schemas, store
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ, Access
from delta_server.services import Cascade, Services
from delta_server.tasks.periodic import Periodic

_WRITE = Access("write")


async def _begin(svc: Services) -> None:
    await comparing.forget_unfinished(svc)
    await deliveries.forget_unfinished(svc)
    await deliveries.notice_restore(svc)


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
        ("DELETE", "/v1/datasets/{}/{}/previous"): _WRITE,
        ("GET", "/v1/datasets/{}/{}/current"): READ,
        ("GET", "/v1/datasets/{}/{}/previous"): READ,
        ("GET", "/v1/datasets/{}/{}/delta"): READ,
        ("GET", "/v1/datasets/{}/{}/delta/summary"): READ,
        ("GET", "/v1/datasets/{}/{}/jobs"): READ,
        ("GET", "/v1/datasets/{}/{}/jobs/{}"): READ,
        ("POST", "/v1/datasets/{}/{}/promote"): _WRITE,
    },
    path_parameters={
        "dataset": "The name of the dataset",
        "client": "Who delivers: any name",
        "job_id": "The id that the list of jobs gives",
    },
    fields=schemas.FIELDS,
    tables=["dataset", "dataset_client", "dataset_upload"],
    at_start=_begin,
    cascades=[Cascade("project", lambda _: store.delete_some, deliveries.delete_of_project)],
    periodic=[Periodic("delete deliveries that were replaced", deliveries.sweep, every_s=600)],
)
