"""/v1/stream: what happens now, as server-sent events."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Annotated, Any, Literal

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream

from delta_server.core.errors import Invalid
from delta_server.features.stream import service
from delta_server.features.stream.service import Wanted
from delta_server.http.auth import is_still_allowed
from delta_server.http.docs import example
from delta_server.http.event_filters import split
from delta_server.http.server import ABORT
from delta_server.services import Services

_EXAMPLE = """retry: 2000

id: 29408519404765185
event: event
data: {"messageId":"m-1","eventType":"signup","timestamp":"2026-05-01T12:00:00.000Z","userId":"user-42"}
"""

_SEVERAL = "Only these; several with commas"
_TOPICS = "What to follow: events, or endpoints as they are created, updated and deleted"


@get(
    "/v1/stream",
    summary="Follow events or endpoints as they come, as server-sent events",
    tags=["Events"],
    opt=example(answer=_EXAMPLE, media_type="text/event-stream"),
    media_type="text/event-stream",
)
async def stream(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    topics: Annotated[Literal["events", "endpoints"], QueryParameter(description=_TOPICS)] = "events",
    event_type: Annotated[list[str] | None, QueryParameter(name="eventType", description=_SEVERAL)] = None,
    source: Annotated[list[str] | None, QueryParameter(description=_SEVERAL)] = None,
) -> Stream:
    """Each has an id: a client that comes back with Last-Event-ID gets what it missed. Every 15 seconds without news
    bring a comment. `event: gap` says that more was missed than is sent again, `event: end` that the key is no longer
    valid."""
    services.live.check_room(project)
    last = service.parse_last_id(request.headers.get("last-event-id", ""))
    allowed, abort = partial(is_still_allowed, request), request.scope["state"].get(ABORT)
    if topics == "endpoints":
        if event_type or source:
            raise Invalid("eventType and source choose events", field="eventType" if event_type else "source")
        return _answer(service.endpoints(services, project, last, is_allowed=allowed, abort=abort))
    wanted = Wanted(frozenset(split(event_type or ())), frozenset(split(source or ())))
    return _answer(service.events(services, project, wanted, last, is_allowed=allowed, abort=abort))


def _answer(pieces: AsyncGenerator[bytes, None]) -> Stream:
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return Stream(pieces, media_type="text/event-stream", headers=headers)


ROUTES = [stream]
