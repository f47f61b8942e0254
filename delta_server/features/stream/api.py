"""/v1/stream: what happens now, as server-sent events."""

from typing import Annotated, Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.response import Stream

from delta_server.core import ids
from delta_server.core.errors import Invalid
from delta_server.features.endpoints import service as endpoints
from delta_server.features.stream import service
from delta_server.features.stream.events import WantedEvents
from delta_server.features.stream.happenings import WantedHappenings
from delta_server.features.stream.service import Wanted
from delta_server.http import event_streams
from delta_server.http.docs import example
from delta_server.http.event_filters import split
from delta_server.http.parameters import QueryParameter
from delta_server.services import Services

_EXAMPLE = """retry: 2000
id: 29408519404765184

id: 29408519404765185
event: event
data: {"messageId":"m-1","eventType":"signup","timestamp":"2026-05-01T12:00:00.000Z","userId":"user-42"}
"""

_SEVERAL = "Only these; several with commas"
_TYPES = "Only events of these types, and changes of their schemas; several with commas"
_TOPICS = (
    "What to follow: `events` as they come in, `snapshots` and `deltas` as they are created, `endpoints` as they are "
    "created, updated, deleted and restored, `polls` that fail and recover, `schemas` that change, `quotas` that are "
    "exceeded, `webhooks` that are turned off; several with commas. Without it: events"
)
_ENDPOINTS = "Only what happens to these, by id or name; repeated for several. Not for events"


@get(
    "/v1/stream",
    summary="Follow events, snapshots, deltas and what else happens, as server-sent events",
    tags=["Events"],
    opt=example(answer=_EXAMPLE, media_type="text/event-stream"),
    media_type="text/event-stream",
)
async def stream(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    topics: Annotated[list[str] | None, QueryParameter(description=_TOPICS)] = None,
    event_type: Annotated[list[str] | None, QueryParameter(name="eventType", description=_TYPES)] = None,
    source: Annotated[list[str] | None, QueryParameter(description=_SEVERAL)] = None,
    endpoint_id: Annotated[list[str] | None, QueryParameter(description=_ENDPOINTS)] = None,
) -> Stream:
    """`event:` says what it is: `event`, `snapshot.created`, `delta.created`, `endpoint.created` and so on. They have
    ids: a client that comes back with Last-Event-ID and the same topics gets what it missed, a few of it perhaps again.
    Every 15 seconds without news bring a comment. `event: gap` says that more was missed than is sent again, and
    `event: end` that the key is no longer valid."""
    services.live.check_room(project)
    asked = frozenset(split(topics or ("events",)))
    if not asked or not asked <= set(service.TOPICS):
        raise Invalid(f"topics must be some of {', '.join(service.TOPICS)}", field="topics")
    wanted = Wanted(
        _events(asked, event_type=event_type, source=source),
        _happenings(services, project, asked, endpoint_id, event_type),
    )
    last = service.parse_last_id(request.headers.get("last-event-id", ""), wanted.sources)
    client = event_streams.client_of(request)
    pieces = service.follow(services, project, wanted, last, is_allowed=client.is_allowed, abort=client.abort)
    return event_streams.answer(pieces)


def _events(topics: frozenset[str], *, event_type: list[str] | None, source: list[str] | None) -> WantedEvents | None:
    if "events" in topics:
        return WantedEvents(frozenset(split(event_type or ())), frozenset(split(source or ())))
    if source or (event_type and "schemas" not in topics):
        raise Invalid("eventType and source choose events", field="source" if source else "eventType")
    return None


def _happenings(
    services: Services,
    project: int,
    topics: frozenset[str],
    endpoint_ids: list[str] | None,
    event_type: list[str] | None,
) -> WantedHappenings | None:
    if topics == {"events"}:
        if endpoint_ids:
            raise Invalid("endpoint_id chooses among what is about endpoints, and events are not", field="endpoint_id")
        return None
    found = [endpoints.resolve(services, project, text) for text in endpoint_ids or ()]
    endpoint_uids = frozenset(ids.text(endpoint.uid) for endpoint in found)
    return WantedHappenings(topics - {"events"}, endpoint_uids, frozenset(split(event_type or ())))


ROUTES = [stream]
