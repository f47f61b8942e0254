"""/v1/devices: the devices of whoever asks."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from litestar import Request, Response, delete, get, patch
from litestar.di import NamedDependency

from delta_server.core import ids, times
from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.features.sync.api import whose
from delta_server.features.sync.people import devices, devices_schemas
from delta_server.features.sync.people.devices import Seen
from delta_server.features.sync.people.devices_schemas import (
    DeviceAnswer,
    DeviceChange,
    DevicePosition,
    DeviceUpload,
    Lag,
    SyncDevice,
)
from delta_server.features.sync.uploads import upload_schemas
from delta_server.features.sync.uploads.store import Upload
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services

_TAGS = ["Devices"]
_LIST, _BY_LAG = "devices", "devices by lag"
_CURSORS: dict[str, Callable[[Seen], str]] = {
    "made": lambda seen: encode_cursor(_LIST, seen.device.id),
    "lag": lambda seen: encode_cursor(_BY_LAG, *seen.by_lag),
}


@get(
    "/v1/devices",
    summary="List devices and how far they are",
    tags=_TAGS,
    opt=example(answer={"data": [devices_schemas.EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_devices(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    q: Annotated[str, QueryParameter(max_length=200, description="Those that are called something with this")] = "",
    sort: Annotated[
        Literal["made", "lag"], QueryParameter(description="By when they came, or those that are furthest behind first")
    ] = "made",
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[SyncDevice]]:
    """Those that pushed to the space of whoever asks, without the removed ones. By lag, one that moves between two
    pages may be missed or come twice."""
    space = whose(request, caller, project)
    if sort == "lag":
        after = decode_cursor(_BY_LAG, cursor, tuple[int, int, int]) if cursor else (-1, 0, 0)
        rows = await devices.list_by_lag(services, space, q, after=after, limit=limit + 1)
    else:
        above = decode_cursor(_LIST, cursor, tuple[int])[0] if cursor else 0
        rows = await devices.list_devices(services, space, q, above=above, limit=limit + 1)
    now_ms = services.clock.now_ms()
    found = pagination.page(rows, limit=limit, item=lambda seen: _device(seen, now_ms), cursor=_CURSORS[sort])
    return pagination.respond(request, found)


@patch(
    "/v1/devices/{device_id:str}",
    summary="Name a device",
    tags=_TAGS,
    opt=example(request={"name": "Ann's phone"}, answer={"device": devices_schemas.EXAMPLE}),
)
async def name_device(
    request: Request[Any, Any, Any],
    device_id: FromPath[str],
    data: JSONBody[DeviceChange],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> DeviceAnswer:
    seen = await devices.rename(services, whose(request, caller, project), device_id, data.name)
    return DeviceAnswer(_device(seen, services.clock.now_ms()))


@delete("/v1/devices/{device_id:str}", summary="Remove a device", tags=_TAGS, opt=example(answer=None))
async def remove_device(
    request: Request[Any, Any, Any],
    device_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> None:
    """It is signed out and counts no more. What it pushed stays, and one that pushes again is there again."""
    await devices.remove(services, whose(request, caller, project), device_id)


def _device(seen: Seen, now_ms: int) -> SyncDevice:
    device = seen.device
    seconds = 0 if seen.since is None else max(0, now_ms - seen.since) // 1000
    return SyncDevice(
        ids.text(device.uid),
        device.device_id,
        device.name,
        seen.state,
        None if seen.changes is None else Lag(seen.changes, seconds),
        [DevicePosition(at.data_type, at.seq, times.format(at.pulled_at)) for at in seen.positions],
        times.format(device.made_at),
        times.format(device.seen_at),
        [_upload(upload) for upload in seen.uploads],
    )


def _upload(found: Upload) -> DeviceUpload:
    shown = upload_schemas.shown(found, ())
    is_refused = shown.state == "refused"
    return DeviceUpload(
        shown.upload_id,
        "open" if shown.state == "done" else shown.state,
        shown.lines,
        shown.bytes,
        found.staged_lines,
        shown.message if is_refused and isinstance(shown.message, str) else None,
        times.format(found.touched_at),
    )


ROUTES = [list_devices, name_device, remove_device]
