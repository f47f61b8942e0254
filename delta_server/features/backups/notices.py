"""The owner hears by mail of the first backup that fails; the bell of the dashboard counts it as long as it lasts."""

import msgspec

from delta_server.core import mails
from delta_server.core.mails import Mail
from delta_server.features.accounts import service as accounts
from delta_server.features.mails import service as mailing
from delta_server.features.users import service as users
from delta_server.services import Services
from delta_server.storage import jobs
from delta_server.storage.database import Tx
from delta_server.storage.jobs import NO_PROJECT, Job
from delta_server.tasks.jobs import JobKind


class NoticeArguments(msgspec.Struct, frozen=True):
    reason: str
    time_ms: int


async def enqueue(svc: Services, reason: str) -> None:
    if mailing.are_sent(svc):
        await svc.db.write(_enqueue, reason)
        svc.topics.wake("jobs")


def _enqueue(tx: Tx, reason: str) -> None:
    arguments = msgspec.json.encode(NoticeArguments(reason, tx.now_ms)).decode()
    jobs.enqueue(tx, NO_PROJECT, JOB.name, arguments)


async def _send(svc: Services, job: Job) -> None:
    arguments = msgspec.json.decode(job.arguments, type=NoticeArguments)
    mail = await svc.db.read(_compose, arguments, svc.config.server.public_url)
    if mail is not None:
        await mailing.deliver(svc, mail)


def _compose(tx: Tx, arguments: NoticeArguments, public_url: str) -> Mail | None:
    account = accounts.find_default_account(tx)
    owner = None if account is None else users.first_owner(tx, account)
    if owner is None or owner.disabled_at is not None:
        return None
    return mails.backup_failed(owner.email, reason=arguments.reason, at_ms=arguments.time_ms, server=public_url)


JOB = JobKind(name="backup mail", loop="mail that a backup failed", run=_send, retry=mailing.RETRY)
