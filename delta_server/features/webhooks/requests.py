"""The request that a delivery is."""

from collections.abc import Sequence

import msgspec

from delta_server.core import times
from delta_server.core.webhooks import messages, signing
from delta_server.features.webhooks.schemas import Format, Settings
from delta_server.features.webhooks.store import Delivery
from delta_server.features.webhooks.targets import Target

TEST_HEADER = "webhook-test"


class OutgoingRequest(msgspec.Struct, frozen=True):
    method: str
    url: str
    headers: dict[str, str]
    body: bytes


def build(settings: Settings, target: Target, delivery: Delivery, *, now_ms: int) -> OutgoingRequest:
    """As it is sent now: the id and the body are those of every attempt, time and signature this one's."""
    id = messages.id_of(delivery.id, delivery.at)
    content_type, body = _body(settings.format, delivery, id)
    headers = {"content-type": content_type, **target.headers}
    headers |= signing.headers(target.valid_secrets(now_ms), id, now_ms // 1000, body)
    if delivery.is_test:
        headers[TEST_HEADER] = "true"
    return OutgoingRequest("POST", target.url, headers, body)


def shown(request: OutgoingRequest, own: Sequence[str]) -> dict[str, str]:
    """Its headers, without the values of the webhook's `own` and without signatures."""
    return {
        name: "***" if name in own or "signature" in name else value for name, value in sorted(request.headers.items())
    }


def _body(format: Format, delivery: Delivery, id: str) -> tuple[str, bytes]:
    if format == "cloudevents":
        return "application/cloudevents+json", _cloud_event(delivery, id)
    data = delivery.body.encode()
    return "application/json", messages.body(delivery.kind, delivery.at, data, test=delivery.is_test)


class _CloudEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """CloudEvents 1.0.2, structured mode."""

    id: str
    source: str
    type: str
    time: str
    data: msgspec.Raw
    subject: str | None = None
    test: bool = False
    specversion: str = msgspec.field(default_factory=lambda: "1.0")
    datacontenttype: str = msgspec.field(default_factory=lambda: "application/json")


class _Named(msgspec.Struct, frozen=True):
    endpoint: dict[str, str] = {}


def _cloud_event(delivery: Delivery, id: str) -> bytes:
    endpoint = msgspec.json.decode(delivery.body, type=_Named).endpoint.get("id")
    event = _CloudEvent(
        id=id,
        source="/v1/endpoints" if endpoint is None else f"/v1/endpoints/{endpoint}",
        type=f"delta.{delivery.kind}",
        time=times.format(delivery.at),
        data=msgspec.Raw(delivery.body.encode()),
        subject=endpoint,
        test=delivery.is_test,
    )
    return msgspec.json.encode(event)
