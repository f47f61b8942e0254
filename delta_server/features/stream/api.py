"""/v1/stream: what happens now, as server-sent events."""

from functools import partial
from typing import Annotated, Any, Literal

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream

from delta_server.features.stream import service
from delta_server.features.stream.service import Wanted
from delta_server.http.auth import is_allowed
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


@get(
    "/v1/stream",
    summary="Follow events as they come, as server-sent events",
    tags=["Events"],
    opt=example(answer=_EXAMPLE, media_type="text/event-stream"),
    media_type="text/event-stream",
)
async def stream(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    topics: Annotated[Literal["events"], QueryParameter(description="What to follow")] = "events",
    event_type: Annotated[list[str] | None, QueryParameter(name="eventType", description=_SEVERAL)] = None,
    source: Annotated[list[str] | None, QueryParameter(description=_SEVERAL)] = None,
) -> Stream:
    """Each has an id: a client that comes back with Last-Event-ID gets what it missed. Every 15 seconds without news
    bring a comment. `event: gap` says that more was missed than is sent again, `event: end` that the key is no longer
    valid."""
    services.live.check_room(project)
    last = service.parse_last_id(request.headers.get("last-event-id", ""))
    wanted = Wanted(frozenset(split(event_type or ())), frozenset(split(source or ())))
    return Stream(
        service.events(
            services,
            project,
            wanted,
            last,
            is_allowed=partial(is_allowed, request),
            abort=request.scope["state"].get(ABORT),
        ),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


ROUTES = [stream]
