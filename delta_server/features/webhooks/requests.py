"""The request that a delivery is."""

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from delta_server.core.webhooks import formats, messages, signing
from delta_server.core.webhooks.formats import Destination, Outgoing
from delta_server.features.webhooks.schemas import Settings
from delta_server.features.webhooks.store import Delivery
from delta_server.features.webhooks.targets import Target

TEST_HEADER = "webhook-test"


class OutgoingRequest(msgspec.Struct, frozen=True):
    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Place(msgspec.Struct, frozen=True):
    """Where people look at what happened: nowhere where the server does not know its address."""

    public_url: str = ""
    project: str = ""


class _Named(msgspec.Struct, frozen=True):
    endpoint: dict[str, str] | None = None


def message_of(delivery: Delivery, place: Place) -> Outgoing:
    id = messages.id_of(delivery.id, delivery.at)
    return Outgoing(id, delivery.kind, delivery.at, delivery.body.encode(), delivery.is_test, _link(delivery, place))


def build(settings: Settings, target: Target, delivery: Delivery, place: Place, *, now_ms: int) -> OutgoingRequest:
    """As it is sent now: the id and the body are those of every attempt, time and signature this one's. Raises Invalid
    for a template whose body is too large."""
    message = message_of(delivery, place)
    rendered = formats.render(Destination(settings.format, target.url, settings.to, settings.template), message)
    headers = {"content-type": rendered.content_type, **target.headers}
    headers |= signing.headers(target.valid_secrets(now_ms), message.id, now_ms // 1000, rendered.body)
    if delivery.is_test:
        headers[TEST_HEADER] = "true"
    return OutgoingRequest(rendered.method, rendered.url, headers, rendered.body)


def shown(request: OutgoingRequest, own: Sequence[str]) -> dict[str, str]:
    """Its headers, without the values of the webhook's `own` and without signatures."""
    return {
        name: "***" if name in own or "signature" in name else value for name, value in sorted(request.headers.items())
    }


def _link(delivery: Delivery, place: Place) -> str | None:
    if not place.public_url or delivery.is_test:
        return None
    page = f"{place.public_url.rstrip('/')}/p/{quote(place.project, safe='')}"
    endpoint = msgspec.json.decode(delivery.body, type=_Named).endpoint
    return f"{page}/e/{quote(endpoint['name'], safe='')}" if endpoint and "name" in endpoint else page
