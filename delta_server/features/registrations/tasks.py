"""Mails to who registers; registrations that nobody confirmed go."""

import msgspec

from delta_server.features.mails import service as mailing
from delta_server.features.registrations import service
from delta_server.features.registrations.service import MailArguments
from delta_server.services import Services
from delta_server.storage.jobs import Job
from delta_server.tasks.jobs import JobKind

_AT_ONCE = 1000


async def send(svc: Services, job: Job) -> None:
    arguments = msgspec.json.decode(job.arguments, type=MailArguments)
    mail = await svc.db.write(service.compose, arguments, svc.config.server.public_url)
    if mail is not None:
        await mailing.deliver(svc, mail)


async def sweep(svc: Services) -> None:
    while await svc.db.write(service.sweep, _AT_ONCE) == _AT_ONCE:
        pass


JOB = JobKind(name=service.JOB, loop="mail registrations", run=send, retry=mailing.RETRY)
