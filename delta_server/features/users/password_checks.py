"""Comparing a password with a user's, as slowly for nobody's, and less often for who fails."""

from functools import partial

from delta_server.core.errors import Invalid, RateLimited
from delta_server.features.users import trail
from delta_server.features.users.failures import Failures
from delta_server.features.users.hashing import Hashing
from delta_server.features.users.store import User
from delta_server.services import Services


async def matches(svc: Services, user: User | None, password: str, counted: tuple[str, ...]) -> bool:
    """Raises RateLimited when one of `counted` has failed too often, before the password is compared."""
    check = partial(check_failures, svc, counted)
    check()
    return await svc.state(Hashing).matches(svc, user.password if user else None, password, check=check)


async def require(svc: Services, user: User, password: str, *, field: str) -> None:
    """For who is signed in and changes what protects the account. Raises Invalid, RateLimited."""
    counted = (f"user {user.email}",)
    if not await matches(svc, user, password, counted):
        fail(svc, counted)
        await trail.note_failure(svc, "password.check", user, user.email)
        raise Invalid(f"{field} is wrong", field=field)


def check_failures(svc: Services, counted: tuple[str, ...]) -> None:
    """Raises RateLimited."""
    if (wait_ms := svc.state(Failures).wait_ms(counted, svc.clock.now_ms())) > 0:
        retry_after_s = -(-wait_ms // 1000)
        raise RateLimited("too many wrong passwords or codes: wait before the next try", retry_after_s=retry_after_s)


def fail(svc: Services, counted: tuple[str, ...]) -> None:
    svc.state(Failures).add(counted, svc.clock.now_ms())
