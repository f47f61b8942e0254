"""The mail that the server turned a webhook off: to who answers for it, or to the owner where nobody does any more."""

from urllib.parse import quote

import msgspec

from delta_server.core import mails
from delta_server.core.mails import Mail
from delta_server.features.mails import service as mailing
from delta_server.features.projects import service as projects
from delta_server.features.users import service as users
from delta_server.features.users.service import User
from delta_server.features.webhooks import schemas, service, store
from delta_server.features.webhooks.store import Webhook
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.jobs import Job
from delta_server.tasks.jobs import JobKind


async def send(svc: Services, job: Job) -> None:
    off = msgspec.json.decode(job.arguments, type=service.TurnedOff)
    if not mailing.are_sent(svc):
        return
    mail = svc.db.peek(_compose, off, svc.config.server.public_url)
    if mail is not None and mailing.may_be_sent_by(svc, f"webhooks of project {job.project}"):
        await mailing.deliver(svc, mail)


def _compose(tx: Tx, off: service.TurnedOff, public_url: str) -> Mail | None:
    """None where it is on again, was deleted with its project, or nobody is there to read it."""
    webhook = store.by_row(tx, off.webhook)
    project = None if webhook is None else projects.by_id(tx, webhook.account, webhook.project)
    if webhook is None or project is None or webhook.off_because != off.because:
        return None
    to = _recipient(tx, webhook)
    if to is None:
        return None
    page = f"{public_url.rstrip('/')}/p/{quote(project.name, safe='')}/connect/webhooks" if public_url else None
    name = schemas.settings_of(webhook).name
    return mails.webhook_turned_off(to.email, name=name, project=project.name, because=off.because, page=page)


def _recipient(tx: Tx, webhook: Webhook) -> User | None:
    made_by = None if webhook.made_by_user is None else users.by_id(tx, webhook.account, webhook.made_by_user)
    asked = [
        None if webhook.off_because == "rights" else made_by,
        projects.owner(tx, webhook.account, webhook.project),
        users.first_owner(tx, webhook.account),
    ]
    return next((user for user in asked if user is not None and user.disabled_at is None), None)


JOB = JobKind(name=service.TURNED_OFF_JOB, loop="mail that webhooks were turned off", run=send, retry=mailing.RETRY)
