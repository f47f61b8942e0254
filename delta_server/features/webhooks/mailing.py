"""Deliveries as mails."""

from delta_server.core.mails import Mail
from delta_server.core.webhooks import formats
from delta_server.core.webhooks.schedule import FailureClass
from delta_server.features.mails import service as mails
from delta_server.features.webhooks import requests
from delta_server.features.webhooks.requests import Place
from delta_server.features.webhooks.schemas import Settings
from delta_server.features.webhooks.store import Delivery
from delta_server.services import Services
from delta_server.storage.mail.smtp import MailFailed

_WHY = "You get this mail from the webhook {!r}. Who may change the project's webhooks can turn it off."


async def send(
    svc: Services, project: int, settings: Settings, delivery: Delivery, place: Place
) -> FailureClass | None:
    """None: the mail server took it. Mails of a project are as many an hour as somebody's in it."""
    if not mails.are_sent(svc) or not mails.may_be_sent_by(svc, f"webhooks of project {project}"):
        return "mail"
    message = requests.message_of(delivery, place)
    said = formats.said(message)
    parts = ["\n".join(said.lines), message.link or "", _WHY.format(settings.name)]
    text = "\n\n".join([said.title, *(part for part in parts if part)])
    try:
        await mails.deliver(svc, Mail(settings.to or "", said.title, f"{text}\n"))
    except MailFailed:
        return "mail"
    return None
