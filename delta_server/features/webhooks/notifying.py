"""Deliveries by Apprise (egress/by_apprise.py), where the operator has turned it on."""

import re

from delta_server.core.errors import Invalid
from delta_server.core.webhooks import formats
from delta_server.core.webhooks.schedule import FailureClass
from delta_server.egress import by_apprise
from delta_server.features.webhooks import requests
from delta_server.features.webhooks.requests import Place
from delta_server.features.webhooks.schemas import Settings
from delta_server.features.webhooks.store import Delivery
from delta_server.features.webhooks.targets import Target
from delta_server.services import Services

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,30}://[!-~]{0,3900}")


async def check(svc: Services, url: str) -> None:
    """Raises Invalid."""
    if not svc.config.webhooks.apprise:
        raise Invalid(
            "the format apprise is off: the server's operator turns it on by webhooks.apprise", field="format"
        )
    if not by_apprise.is_installed():
        raise Invalid(
            "the format apprise needs the package apprise beside Delta, which the executable is without: pip install"
            " 'delta-server[apprise]'",
            field="format",
        )
    if not _ADDRESS.fullmatch(url) or not await by_apprise.is_known(url):
        raise Invalid(
            "with the format apprise, url must be an address that Apprise knows, such as discord://ID/TOKEN: see"
            " https://github.com/caronc/apprise/wiki",
            field="url",
        )


async def send(
    svc: Services, settings: Settings, target: Target, delivery: Delivery, place: Place
) -> FailureClass | None:
    """None: Apprise says that it arrived."""
    if not svc.config.webhooks.apprise or not by_apprise.is_installed():
        return "apprise"
    message = requests.message_of(delivery, place)
    said = formats.said(message)
    text = "\n".join([*said.lines, *([message.link] if message.link else [])]) or said.title
    try:
        arrived = await by_apprise.notify(target.url, said.title, text, seconds=settings.timeout_s)
    except TimeoutError:
        return "timeout"
    return None if arrived else "apprise"
