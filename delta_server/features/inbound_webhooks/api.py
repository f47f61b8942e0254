"""/v1/endpoints/{endpoint}/inbound-webhook, and where senders deliver: /v1/webhooks/{project}/{endpoint}/{token}."""

from typing import Annotated, Any, Literal, cast

from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency

from delta_server.core.cursors import row_below
from delta_server.features.inbound_webhooks import receiving, schemas, service
from delta_server.features.inbound_webhooks.schemas import (
    DeliveryReceived,
    InboundWebhookAnswer,
    SetInboundWebhook,
    TokenRotation,
)
from delta_server.http import pagination
from delta_server.http.asgi import Scope
from delta_server.http.docs import example
from delta_server.http.exchange import Exchange
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services
from delta_server.storage.database import ACTING

_TAGS = ["Inbound webhooks"]
_LIST = "inbound webhooks"


@put(
    "/v1/endpoints/{endpoint:str}/inbound-webhook",
    summary="Take deliveries of another service's webhooks",
    tags=_TAGS,
    opt=example(request=schemas.EXAMPLE_SET, answer=schemas.EXAMPLE_NEW),
)
async def set_webhook(
    endpoint: FromPath[str],
    data: JSONBody[SetInboundWebhook],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> InboundWebhookAnswer:
    """Makes the endpoint's inbound webhook, and shows its token and address this once, or replaces all its settings;
    a sender's secret that is not sent stays."""
    return await service.set_webhook(services, project, endpoint, data)


@get(
    "/v1/endpoints/{endpoint:str}/inbound-webhook",
    summary="Get an endpoint's inbound webhook, and how deliveries fared",
    tags=_TAGS,
    opt=example(answer={"webhook": schemas.EXAMPLE}),
)
async def get_webhook(
    endpoint: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> InboundWebhookAnswer:
    return service.get_webhook(services, project, endpoint)


@get(
    "/v1/inbound-webhooks",
    summary="List a project's inbound webhooks, that of the newest endpoint first",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_webhooks(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[schemas.InboundWebhook]]:
    """Those whose endpoint lies in the bin are left out, so that a page may have fewer than `limit`."""
    below = row_below(_LIST, cursor)
    rows = await service.list_webhooks(services, project, below=below, limit=limit + 1)
    found = pagination.page_by_row(_LIST, rows, limit=limit)
    shown = [webhook for webhook in found.data if webhook is not None]
    return pagination.respond(request, Page(shown, found.has_more, found.next_cursor))


@post(
    "/v1/endpoints/{endpoint:str}/inbound-webhook/rotate",
    summary="Replace the token of an inbound webhook",
    tags=_TAGS,
    status_code=200,
    opt=example(request={"overlap": "24h"}, answer=schemas.EXAMPLE_NEW),
)
async def rotate(
    endpoint: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    data: JSONBody[TokenRotation | None] = None,
) -> InboundWebhookAnswer:
    """The token before is taken for as long as `overlap`, a day by default: until then the sender uses either."""
    return await service.rotate(services, project, endpoint, (data or TokenRotation()).overlap)


@delete(
    "/v1/endpoints/{endpoint:str}/inbound-webhook",
    summary="Delete an inbound webhook",
    tags=_TAGS,
    opt=example(answer=None),
)
async def delete_webhook(
    endpoint: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> None:
    """Snapshots and events that it brought stay."""
    await service.delete_webhook(services, project, endpoint)


@post(
    "/v1/webhooks/{project_id:str}/{endpoint:str}/{token:str}",
    summary="Deliver a webhook",
    tags=_TAGS,
    status_code=200,
    opt=example(
        request={"action": "opened", "number": 7},
        answer={"stored": "snapshot", "id": "01985f0c-3f1a-7cc2-9a52-2f3b7f0c9d11", "duplicate": False},
    ),
)
async def receive(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project_id: FromPath[str],
    endpoint: FromPath[str],
    token: FromPath[str],
    as_: Annotated[
        Literal["snapshot", "event"], QueryParameter(name="as", description="What the delivery becomes")
    ] = "snapshot",
) -> DeliveryReceived | dict[str, str]:
    """For other services to call: the body, in any format that polling reads too, or a form, becomes the endpoint's
    next snapshot, or with `as=event` an event. A delivery that is sent again counts once."""
    target = receiving.find(services, project_id, endpoint, token)
    exchange: Exchange = cast("Scope", request.scope)["state"]["exchange"]
    exchange.charge_to(f"project {target.endpoint.project}")
    # The token may be replaced while the body comes
    exchange.check_after_body(lambda: receiving.confirm(services, project_id, endpoint, token))
    ACTING.set(ACTING.get().named(receiving.actor(target)))
    answer = await receiving.receive(services, target, request.headers, await request.body(), take_as=as_)
    return {"challenge": answer} if isinstance(answer, str) else answer


ROUTES = [set_webhook, get_webhook, list_webhooks, rotate, delete_webhook, receive]
