"""/v1/webhooks/deliveries: what was sent, what became of it, and sending it again."""

from contextlib import suppress
from functools import partial
from typing import Annotated, Any, cast

from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from delta_server.core import times
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.errors import Invalid
from delta_server.features.webhooks import deliveries, delivery_schemas, expiring, requests, schemas, store, targets
from delta_server.features.webhooks.deliveries import NEWEST, Filters
from delta_server.features.webhooks.delivery_schemas import (
    DeliveryAnswer,
    DeliveryDetailAnswer,
    DeliveryHour,
    DeliveryItem,
    DeliveryTimeline,
    ListedState,
)
from delta_server.features.webhooks.requests import Place
from delta_server.features.webhooks.store import State
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.pagination import DEFAULT_LIMIT, CursorText, Limit, Page
from delta_server.http.parameters import FromPath, QueryParameter
from delta_server.services import Services

_TAGS = ["Webhooks"]
_LIST = "deliveries"


@get(
    "/v1/webhooks/deliveries",
    summary="List deliveries, newest first",
    tags=_TAGS,
    opt=example(answer={"data": [delivery_schemas.EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_deliveries(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    webhook: Annotated[str | None, QueryParameter(description="Only those of this webhook, by its id")] = None,
    in_state: Annotated[
        list[ListedState] | None,
        QueryParameter(
            name="state", description="Only in one of these states; `late` ones arrived after a failure; repeated"
        ),
    ] = None,
    type: Annotated[str | None, QueryParameter(description="Only of this type, or family as `delta.*`")] = None,
    q: Annotated[str | None, QueryParameter(description="Only with this text in type or endpoint")] = None,
    around: Annotated[
        str | None, QueryParameter(description="The page with this moment, or the delivery of this id, in its middle")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[DeliveryItem]]:
    """Those that ended are kept for seven days, and 20,000 of a webhook at most. A page may be short, or empty, where
    filters leave few: `has_more` says whether there are more."""
    if cursor and around:
        raise Invalid("around and cursor exclude each other: give one of them", field="around")
    before = decode_cursor(_LIST, cursor, tuple[int])[0] if cursor else NEWEST
    if around:
        before = await deliveries.number_around(services, project, around, limit)
    states = frozenset(cast("list[State]", [each for each in in_state or () if each != "late"]))
    wanted = Filters(states, late="late" in (in_state or ()), kind=type, text=(q or "").lower())
    found = await deliveries.list_deliveries(services, project, webhook, wanted, before=before, limit=limit)
    next_cursor = None if found.next is None else encode_cursor(_LIST, found.next)
    data = [delivery_schemas.item(each) for each in found.found]
    return pagination.respond(request, Page(data, has_more=found.next is not None, next_cursor=next_cursor))


@get(
    "/v1/webhooks/timeline",
    summary="Count deliveries by the hour",
    tags=_TAGS,
    opt=example(answer=delivery_schemas.EXAMPLE_TIMELINE),
)
async def timeline(
    services: NamedDependency[Services],
    project: NamedDependency[int],
    webhook: Annotated[str | None, QueryParameter(description="Only to this webhook, by its id")] = None,
    hours: Annotated[
        int, QueryParameter(ge=1, le=expiring.COUNTED_HOURS, description="How many hours, up to this one")
    ] = 168,
) -> DeliveryTimeline:
    """How many arrived and how many attempts failed, each by when it did; tests count too."""
    found = await deliveries.timeline(services, project, webhook, hours)
    return DeliveryTimeline(
        times.format(found.from_ms), store.HOUR_MS, [DeliveryHour(*counts) for counts in found.counts]
    )


@get(
    "/v1/webhooks/deliveries/{delivery_id:str}",
    summary="Get a delivery with its attempts and its request",
    tags=_TAGS,
    opt=example(answer={"delivery": delivery_schemas.EXAMPLE_DETAIL}),
)
async def get_delivery(
    delivery_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> DeliveryDetailAnswer:
    found = deliveries.get_delivery(services, project, delivery_id)
    settings = schemas.settings_of(found.webhook)
    target = targets.unseal(await targets.prepare(services), found.webhook.uid, found.webhook.target)
    sent = None
    if target is not None and settings.format not in ("email", "apprise"):
        with suppress(Invalid):  # a template whose body is too large
            build = partial(requests.build, now_ms=services.clock.now_ms())
            sent = await services.cpu(build, settings, target, found.delivery, Place())
    return DeliveryDetailAnswer(delivery_schemas.detail(found, sent, settings.place, settings.headers))


@post(
    "/v1/webhooks/deliveries/{delivery_id:str}/redeliver",
    summary="Send a delivery again",
    tags=_TAGS,
    status_code=202,
    opt=example(answer={"delivery": {**delivery_schemas.EXAMPLE, "state": "waiting", "attempts": "xx"}}),
)
async def redeliver(
    delivery_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> DeliveryAnswer:
    """Now, with its id and its body; should it fail, its retries begin anew."""
    return DeliveryAnswer(delivery_schemas.item(await deliveries.redeliver(services, project, delivery_id)))


ROUTES = [list_deliveries, timeline, get_delivery, redeliver]
