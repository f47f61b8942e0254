"""Mails to people: a job (storage/jobs.py) in the transaction of its cause, which composes the mail when it is sent.

So a crash loses none, what is stored has no tokens in it, and who asks learns nothing by the time it takes. A mail
whose answer was lost on the way is sent twice.
"""

import structlog

from delta_server.core.errors import RateLimited
from delta_server.core.mails import Mail
from delta_server.core.rates import Rate
from delta_server.services import Services
from delta_server.storage.jobs import Retry
from delta_server.storage.limiter_memory import MemoryLimiter
from delta_server.storage.mail import smtp
from delta_server.storage.mail.smtp import MailRefused

RETRY = Retry(delays_s=(15.0, 60.0, 300.0, 1800.0, 7200.0, 21600.0))
"""Then it is given up, after nine hours."""
TO_ADDRESS = Rate(5)
"""Mails an hour to one address that strangers asked for."""
FROM_CLIENT = Rate(60)
"""Mails an hour that are asked for from one address of the network, or by one member or the keys of one project."""
AGAIN_S = 720
"""After so long an address can be sent one more."""
_HOUR_IN_MINUTES = 60
_PLACES = 1 << 16

log = structlog.get_logger("delta.mails")


class _Limits:
    """Counted as requests are; `Rate` is by the minute, and a minute of this clock takes an hour."""

    def __init__(self) -> None:
        self.limiter = MemoryLimiter(_PLACES)


def are_sent(svc: Services) -> bool:
    return bool(svc.config.smtp.host)


def check_client(svc: Services, address: str) -> None:
    """Count a mail that a stranger asks for. Raises RateLimited."""
    verdict = svc.state(_Limits).limiter.take(("from", address), FROM_CLIENT, _slow_ms(svc))
    if not verdict.allowed:
        raise RateLimited(
            "too many mails were asked for from this address: try again later",
            retry_after_s=verdict.retry_after_s * _HOUR_IN_MINUTES,
        )


def may_be_sent_to(svc: Services, email: str) -> bool:
    """Count one more mail to the address; False when it got too many, whoever asked, and whether it is anybody's."""
    return svc.state(_Limits).limiter.take(("to", email), TO_ADDRESS, _slow_ms(svc)).allowed


def may_be_sent_by(svc: Services, who: str) -> bool:
    """Count one more mail to whomever they like; False when there were too many."""
    return svc.state(_Limits).limiter.take(("by", who), FROM_CLIENT, _slow_ms(svc)).allowed


def _slow_ms(svc: Services) -> int:
    return svc.clock.now_ms() // _HOUR_IN_MINUTES


async def deliver(svc: Services, mail: Mail) -> None:
    """A mail that the server will never take is given up. Raises MailFailed for one that is to be sent again."""
    if not are_sent(svc):
        log.warning("a mail was given up: smtp.host is not set any more")
        return
    try:
        await smtp.send(svc.config.smtp, mail)
    except MailRefused as error:
        log.warning("a mail was given up", to=mail.to, reason=error.message)
