"""What signed-in people are handed, and what is stored of it: hashes."""

import asyncio
import hmac
import os
import re
from collections.abc import Callable
from hashlib import sha256

from delta_server.core import access_tokens
from delta_server.features.users.store import User
from delta_server.services import Services
from delta_server.storage import key_file


class Signer:
    """Signs access tokens. The key is in the data directory, not in the database: a backup gives nobody a session."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    @classmethod
    def of(cls, svc: Services) -> "Signer":
        return svc.state(cls, lambda: cls(load_key(svc)))


def load_key(svc: Services) -> bytes:
    """From the disk, with a sync when there is none yet: not on the event loop. Raises Unavailable."""
    return key_file.load(svc.config.storage.data_dir, access_tokens.KEY_BYTES)


class _Prepared:
    done = False


async def prepare(svc: Services) -> None:
    """On a thread, what the first to sign in would hold everybody up for on the loop. Not where nobody signs in: the
    library takes 16 MB. Raises Unavailable."""
    prepared = svc.state(_Prepared)
    if not prepared.done:
        await load_signer(svc)
        await asyncio.to_thread(access_tokens.import_library)
        prepared.done = True


async def load_signer(svc: Services) -> None:
    """Raises Unavailable."""
    key = await asyncio.to_thread(load_key, svc)
    svc.state(Signer, lambda: Signer(key))


def for_code(key: bytes, user: User, *, expires_at: int) -> str:
    """What a right password is answered with where a code is wanted too. It says nothing to whom it is not sent, and
    another password ends it."""
    said = f"{user.uid.hex()}_{expires_at:x}"
    return f"dm_{said}_{_mac_of(key, user, said)}"


def user_of(key: bytes, text: str, find: Callable[[bytes], User | None], *, now_ms: int) -> User | None:
    """Whose token of `for_code` it is, None when it is nobody's or has expired."""
    match = _FOR_CODE.fullmatch(text)
    user = None if match is None else find(bytes.fromhex(match[1]))
    if match is None or user is None or int(match[2], 16) <= now_ms:
        return None
    return user if hmac.compare_digest(match[3], _mac_of(key, user, f"{match[1]}_{match[2]}")) else None


_FOR_CODE = re.compile(r"dm_([0-9a-f]{32})_([0-9a-f]{1,12})_([0-9a-f]{64})")


def _mac_of(key: bytes, user: User, said: str) -> str:
    return hmac.digest(key, f"code {said} {user.password}".encode(), "sha256").hex()


def new_refresh() -> str:
    return f"dr_{os.urandom(32).hex()}"


def next_refresh(key: bytes, token: str) -> str:
    """Always the same one of a token: who repeats a request whose answer was lost gets no second line of tokens, which
    nobody would notice."""
    return f"dr_{hmac.digest(key, b'refresh ' + token.encode(), 'sha256').hex()}"


def digest(token: str) -> bytes:
    """Of 192 random bits and more, which a slow hash would protect no better."""
    return sha256(token.encode()).digest()
