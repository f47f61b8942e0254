"""Passwords: argon2id with 19 MiB and two passes (OWASP's second choice; 21 ms), kept as a PHC string.

Hashing takes memory and time: callers do it on a thread, a few at once.
"""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from delta_server.core.errors import Invalid

SALT_BYTES = 16
FEWEST, MOST = 10, 256
"""Characters of a password. All of them count: argon2 truncates nothing."""

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$+DMg0Hsxx2CZGOKL/waFFg82zXwGXdCIU5N1SN6XKPQ"
"""What an unknown user's password is compared with, so that it takes as long as a known one's: the hash of nothing,
written down since each command would wait for it."""


def check(password: str, email: str, *, field: str = "password") -> None:
    """Raises Invalid for a password that is too short, too long, or the e-mail address itself."""
    if not FEWEST <= len(password) <= MOST:
        raise Invalid(f"{field} must have {FEWEST} to {MOST} characters", field=field)
    if password.casefold() in (email.casefold(), email.partition("@")[0].casefold()):
        raise Invalid(f"{field} must not be the e-mail address", field=field)
    if len(set(password)) < 4:
        raise Invalid(f"{field} must have at least four different characters", field=field)


def hashed(password: str, salt: bytes) -> str:
    return _HASHER.hash(password, salt=salt)


def matches(hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(hash, password)
    except (VerificationError, InvalidHashError):
        return False
