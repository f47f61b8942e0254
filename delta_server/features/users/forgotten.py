"""Forgotten passwords: a mailed link sets another one. What is done for an address is the same whether it is anybody's
or not; that shows when the mail is composed, behind the answer."""

import os
from hashlib import sha256

import msgspec

from delta_server.core import emails, mails
from delta_server.core.links import link
from delta_server.core.mails import Mail
from delta_server.features.mails import service as mailing
from delta_server.features.users import store, tokens, trail
from delta_server.features.users.schemas import Forgotten, ForgottenAnswer
from delta_server.services import Services
from delta_server.storage import jobs
from delta_server.storage.database import Tx
from delta_server.storage.jobs import NO_PROJECT, Job
from delta_server.tasks.jobs import JobKind

LASTS_MS = 3_600_000
_MAILED = "if the address has an account, a link to set another password is on its way: it is valid for an hour"
_NOT_MAILED = (
    "this server sends no mail: whoever runs it makes a link to set another password by `delta-server user reset-link`"
)


class MailArguments(msgspec.Struct, frozen=True):
    email: str


async def request_link(svc: Services, forgotten: Forgotten, *, address: str) -> ForgottenAnswer:
    """Raises Invalid for what is not an address, RateLimited for many from where the request comes from."""
    email = emails.check(forgotten.email)
    if not mailing.are_sent(svc):
        return ForgottenAnswer(_NOT_MAILED, mailed=False)
    mailing.check_client(svc, address)
    if mailing.may_be_sent_to(svc, email):
        await svc.db.write(_enqueue, email)
        svc.topics.wake("jobs")
    return ForgottenAnswer(_MAILED, mailed=True)


def _enqueue(tx: Tx, email: str) -> None:
    arguments = msgspec.json.encode(MailArguments(email)).decode()
    jobs.enqueue(tx, NO_PROJECT, JOB.name, arguments, key=sha256(email.encode()).digest())


async def _send(svc: Services, job: Job) -> None:
    arguments = msgspec.json.decode(job.arguments, type=MailArguments)
    mail = await svc.db.write(_compose, arguments.email, os.urandom(24).hex(), svc.config.server.public_url)
    if mail is not None:
        await mailing.deliver(svc, mail)


def _compose(tx: Tx, email: str, token: str, public_url: str) -> Mail | None:
    """None where the address has no account that signs in by a password: who comes by the identity provider or the
    proxy gets no way around it so, only by an admin's link. Each attempt has a link of its own: one that was mailed and
    used must not become valid again."""
    user = store.by_email(tx, email)
    address = link(public_url, "reset", token)
    if user is None or user.password is None or user.disabled_at is not None or address is None:
        return None
    expires_at = tx.now_ms + LASTS_MS
    store.insert_link(tx, user.id, tokens.digest(token), expires_at=expires_at)
    trail.record(tx, user, "user.reset_link")
    return mails.reset(user.email, address, expires_at=expires_at, server=public_url)


JOB = JobKind(name="reset mail", loop="mail links for forgotten passwords", run=_send, retry=mailing.RETRY)
