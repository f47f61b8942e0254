"""API keys as text: kind, public id, `_`, secret, checksum, all ASCII.

    dk_proj_9mXk2VbTq0a_Zr4n...(43 digits)...8sLq1x0dTe
    kind       dk_proj_ a project's key, dk_user_ an account's, dk_write_ a public one that may only send events
    public id  11 base62 digits, 64 random bits: names the key in lists, logs and commands
    secret     43 base62 digits, 256 random bits
    checksum   6 base62 digits, the CRC-32 (as zlib computes it) of all the text before it

Base62 digits are 0-9A-Za-z, most significant first, padded with 0 to the width. The checksum finds typing errors
without a look into the database and lets scanners of leaked secrets recognise a key; it protects nothing.
Stored is the SHA-256 of the whole text: with 256 random bits in it a slow hash would add nothing.
"""

import re
from enum import StrEnum
from hashlib import sha256
from zlib import crc32

import msgspec

from delta_server.core.errors import Unauthorized

RANDOM_BYTES = 40

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PUBLIC_DIGITS, _SECRET_DIGITS, _CHECKSUM_DIGITS = 11, 43, 6
_KEY = re.compile(r"(dk_proj_|dk_user_|dk_write_)([0-9A-Za-z]{11})_[0-9A-Za-z]{49}")


class Kind(StrEnum):
    PROJECT = "dk_proj_"
    ACCOUNT = "dk_user_"
    WRITE = "dk_write_"


class Key(msgspec.Struct, frozen=True):
    """What is kept of a key: not enough to use it."""

    kind: Kind
    public_id: str
    secret_hash: bytes


def make(kind: Kind, randomness: bytes) -> str:
    """The text of a new key out of RANDOM_BYTES random bytes."""
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"a key takes {RANDOM_BYTES} random bytes, not {len(randomness)}")
    public_id = _base62(int.from_bytes(randomness[:8]), _PUBLIC_DIGITS)
    secret = _base62(int.from_bytes(randomness[8:]), _SECRET_DIGITS)
    text = f"{kind}{public_id}_{secret}"
    return text + _checksum(text)


def is_secret(text: str) -> bool:
    """Whether this is, or means to be, a key that must not be seen by others: any but a write key."""
    return text.strip().startswith((Kind.PROJECT, Kind.ACCOUNT))


def parse(text: str) -> Key:
    """The key a caller sent. Raises Unauthorized for what never was a key."""
    match = _KEY.fullmatch(text)
    if not match:
        raise Unauthorized(
            "this is not a Delta API key: one begins with dk_proj_, dk_user_ or dk_write_ and is one word"
        )
    if _checksum(text[:-_CHECKSUM_DIGITS]) != text[-_CHECKSUM_DIGITS:]:
        raise Unauthorized("the API key is mistyped or incomplete: its checksum is wrong, copy it again")
    return Key(kind=Kind(match[1]), public_id=match[2], secret_hash=sha256(text.encode()).digest())


def _checksum(text: str) -> str:
    return _base62(crc32(text.encode()), _CHECKSUM_DIGITS)


def _base62(number: int, width: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return digits.rjust(width, "0")
