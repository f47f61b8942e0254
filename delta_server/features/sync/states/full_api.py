"""/v1/sync/status, /digest, /download: what there is, as a whole."""

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream

from delta_server.core.caller import Caller
from delta_server.core.errors import Invalid
from delta_server.features.devices import service as devices
from delta_server.features.sync import spaces
from delta_server.features.sync.api import whose
from delta_server.features.sync.states import comparing, downloading, full_schemas
from delta_server.features.sync.states.full_schemas import (
    SpaceUse,
    SyncDigest,
    SyncDigestQuestion,
    SyncStatus,
    TypeStatus,
)
from delta_server.features.sync.states.reading import cursor_of, freeze
from delta_server.http.docs import example
from delta_server.http.leaving import while_allowed
from delta_server.http.parameters import JSONBody, QueryParameter
from delta_server.services import Services

_TAGS = ["Sync"]
_NDJSON = "application/x-ndjson"


@get(
    "/v1/sync/status", summary="What there is, in numbers", tags=_TAGS, opt=example(answer=full_schemas.EXAMPLE_STATUS)
)
async def get_status(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> SyncStatus:
    """A device that has the same digest has the same records."""
    of, options = whose(request, caller, project), services.config.sync
    spaces.count_pull(services, of)
    frozen = await freeze(services, of)
    types = [
        TypeStatus(
            each.data_type,
            each.seq,
            each.records,
            each.tombstones,
            each.size_bytes,
            each.digest.hex(),
            cursor_of(frozen, each),
        )
        for each in frozen.collections
    ]
    return SyncStatus(
        frozen.until,
        types,
        SpaceUse(sum(each.records for each in types), options.records),
        SpaceUse(sum(each.bytes for each in types), options.space_bytes),
        SpaceUse(services.db.peek(devices.count_devices, frozen.space), options.devices),
    )


@post(
    "/v1/sync/digest",
    summary="Find out what differs",
    tags=_TAGS,
    status_code=200,
    responses={200: ResponseSpec(SyncDigest, generate_examples=False)},
    opt=example(request=full_schemas.EXAMPLE_QUESTION, answer=full_schemas.EXAMPLE_DIFFERENCE),
)
async def compare(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    data: JSONBody[SyncDigestQuestion],
) -> SyncDigest:
    """First the digests of `buckets` buckets; then, for those that differ, `bucket` and the versions of the `records`
    in it. Without `bucket` all records are compared."""
    of, data_type = whose(request, caller, project), spaces.checked_type(data.data_type)
    if data.bucket is not None and (data.records is None or data.bucket >= data.buckets):
        raise Invalid("bucket is one of the buckets, counted from 0, and goes with records", field="bucket")
    if data.records is None:
        return SyncDigest(await comparing.buckets(services, of, data_type, data.buckets))
    count = 1 if data.bucket is None else data.buckets
    found = await comparing.compare(services, of, data_type, data.records, bucket=data.bucket or 0, of=count)
    return SyncDigest(missing=found.missing, different=found.different, unknown=found.unknown, has_more=found.is_cut)


@get(
    "/v1/sync/download",
    summary="Download all records",
    tags=_TAGS,
    media_type=_NDJSON,
    opt=example(answer=full_schemas.EXAMPLE_DOWNLOAD, media_type=_NDJSON),
)
async def download(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    snapshot: Annotated[
        str | None, QueryParameter(description="To go on with one that was broken off: that of its first line")
    ] = None,
    after: Annotated[int, QueryParameter(ge=0, description="With it, the version of the last line that came")] = 0,
) -> Stream:
    """NDJSON: all records of all data types as they were when it began, a line each, between a line with the `snapshot`
    and one with the `cursor` from which each type is pulled on, `counts` and `digest`. Without that last line it is not
    whole: go on with `snapshot` and `after`."""
    if after and snapshot is None:
        raise Invalid("after goes with snapshot", field="after")
    begun = await downloading.begin(services, whose(request, caller, project), snapshot, after)
    return Stream(while_allowed(request, downloading.lines(services, begun)), media_type=_NDJSON)


ROUTES = [get_status, compare, download]
