"""/v1/webhooks: whom happenings are sent to."""

from typing import Annotated, Literal

from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core.caller import Caller
from delta_server.core.errors import Invalid
from delta_server.features.webhooks import deliveries, delivery_schemas, schemas, service
from delta_server.features.webhooks.delivery_schemas import DeliveryAnswer, Recovery, RecoveryAnswer
from delta_server.features.webhooks.schemas import (
    NewTest,
    NewWebhook,
    RotatedSecret,
    SecretRotation,
    Webhook,
    WebhookAnswer,
    WebhookChange,
    WebhookCreated,
)
from delta_server.http import idempotency
from delta_server.http.docs import example
from delta_server.http.pagination import Page
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_TAGS = ["Webhooks"]
_MOST_SPARK = 200


@post(
    "/v1/webhooks",
    summary="Make a webhook",
    tags=_TAGS,
    responses={201: ResponseSpec(WebhookCreated, generate_examples=False)},
    opt=example(request=schemas.EXAMPLE_NEW, answer={"webhook": schemas.EXAMPLE, "secret": schemas.SHOWN_ONCE}),
)
async def create_webhook(
    data: JSONBody[NewWebhook],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    idempotency_key: NamedDependency[IdempotencyKey],
) -> Response[bytes]:
    """What happens from now on is sent to `url`, signed as Standard Webhooks 1.0. Who makes or changes it answers for
    it: when they lose the right to, it is turned off."""
    answer = await service.create_webhook(services, caller, project, data, idempotency_key)
    return idempotency.respond(answer, "/v1/webhooks")


@get(
    "/v1/webhooks",
    summary="List webhooks, in the order in which they were made",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_webhooks(
    services: NamedDependency[Services],
    project: NamedDependency[int],
    include: Annotated[
        Literal["summary"] | None, QueryParameter(description="`summary`: with how it goes with each")
    ] = None,
    spark: Annotated[
        int | None,
        QueryParameter(ge=1, le=_MOST_SPARK, description="How many stretches of four hours to count, 42 by default"),
    ] = None,
) -> Page[Webhook]:
    """A project has 50 at most, so they come on one page."""
    if spark is not None and include is None:
        raise Invalid("spark goes with include=summary", field="spark")
    found = await service.list_webhooks(services, project)
    if include is None:
        return Page([schemas.webhook(row) for row in found], has_more=False, next_cursor=None)
    healths = await deliveries.healths(services, found, spark or 42)
    data = [schemas.with_health(schemas.webhook(row), health) for row, health in zip(found, healths, strict=True)]
    return Page(data, has_more=False, next_cursor=None)


@get(
    "/v1/webhooks/{webhook_id:str}",
    summary="Get a webhook",
    tags=_TAGS,
    opt=example(answer={"webhook": schemas.EXAMPLE}),
)
async def get_webhook(
    webhook_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> WebhookAnswer:
    return WebhookAnswer(schemas.webhook(service.get_webhook(services, project, webhook_id)))


@patch(
    "/v1/webhooks/{webhook_id:str}",
    summary="Change a webhook, turn it off and on",
    tags=_TAGS,
    opt=example(request={"enabled": False}, answer={"webhook": schemas.EXAMPLE}),
)
async def update_webhook(
    webhook_id: FromPath[str],
    data: JSONBody[WebhookChange],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> WebhookAnswer:
    """While it is off, what waits for it stays, and what happens is not kept for it."""
    return WebhookAnswer(schemas.webhook(await service.update_webhook(services, caller, project, webhook_id, data)))


@delete(
    "/v1/webhooks/{webhook_id:str}",
    summary="Delete a webhook, and what waits for it",
    tags=_TAGS,
    opt=example(answer=None),
)
async def delete_webhook(
    webhook_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> None:
    await service.delete_webhook(services, project, webhook_id)


@post(
    "/v1/webhooks/{webhook_id:str}/rotate-secret",
    summary="Give a webhook a new secret",
    tags=_TAGS,
    responses={201: ResponseSpec(RotatedSecret, generate_examples=False)},
    opt=example(
        request={"overlap": "24h"},
        answer={
            "webhook": schemas.EXAMPLE,
            "secret": schemas.SHOWN_ONCE,
            "old_expires_at": "2026-05-02T12:00:00.000Z",
        },
    ),
)
async def rotate_secret(
    webhook_id: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    idempotency_key: NamedDependency[IdempotencyKey],
    data: JSONBody[SecretRotation | None] = None,
) -> Response[bytes]:
    """Both sign `webhook-signature` until the overlap ends; `x-signature-256` has room for one, the new one."""
    answer = await service.rotate_secret(services, project, webhook_id, data or SecretRotation(), idempotency_key)
    return idempotency.respond(answer, "/v1/webhooks")


@post(
    "/v1/webhooks/{webhook_id:str}/test",
    summary="Send a test to a webhook",
    tags=_TAGS,
    status_code=202,
    opt=example(request={"type": "delta.created"}, answer={"delivery": {**delivery_schemas.EXAMPLE, "test": True}}),
)
async def test_webhook(
    webhook_id: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    data: JSONBody[NewTest | None] = None,  # noqa: PT028  # no test: it sends one
) -> DeliveryAnswer:
    """One attempt, whatever its events and filter are, with an example of the type and marked as a test. What became
    of it, GET /v1/webhooks/deliveries/{delivery_id} tells."""
    found = await deliveries.send_test(services, project, webhook_id, (data or NewTest()).type)
    return DeliveryAnswer(delivery_schemas.item(found))


@post(
    "/v1/webhooks/{webhook_id:str}/recover",
    summary="Send again what has not arrived",
    tags=_TAGS,
    status_code=202,
    opt=example(request={"since": "3d", "dry_run": True}, answer={"deliveries": 38, "dry_run": True}),
)
async def recover_webhook(
    webhook_id: FromPath[str],
    data: JSONBody[Recovery],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> RecoveryAnswer:
    """All that happened since then and has not arrived, in its order, now."""
    count = await deliveries.recover(services, project, webhook_id, data.since, dry_run=data.dry_run)
    return RecoveryAnswer(count, data.dry_run)


ROUTES = [
    create_webhook,
    list_webhooks,
    get_webhook,
    update_webhook,
    delete_webhook,
    rotate_secret,
    test_webhook,
    recover_webhook,
]
