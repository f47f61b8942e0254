"""Addresses that are secrets: whoever has one may do what it is for, and is asked for nothing else.

    dk_hook_3f9a...(64 hexadecimal digits)

They begin as all our keys do, so that logs and finders of leaked secrets know them. Stored is the SHA-256: of 256
random bits a slow hash would add nothing. A table of addresses finds its row by that hash, so that how long it takes
says nothing of the token.
"""

from hashlib import sha256
from typing import Literal, TypeAlias

from delta_server.core import times
from delta_server.core.errors import Invalid

Kind: TypeAlias = Literal["hook", "feed", "board"]

RANDOM_BYTES = 32
LONGEST_OVERLAP_MS = 30 * times.DAY_MS
DEFAULT_OVERLAP = "24h"
_NONE = ("0", "0s", "0m", "0h")


def token(kind: Kind, randomness: bytes) -> str:
    """Of RANDOM_BYTES random bytes."""
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"a token takes {RANDOM_BYTES} random bytes, not {len(randomness)}")
    return f"dk_{kind}_{randomness.hex()}"


def digest(token: str) -> bytes:
    return sha256(token.encode(errors="replace")).digest()


def overlap_ms(text: str, *, field: str = "overlap") -> int:
    """For how long a secret that was replaced is taken: `24h`, `0m` for not at all. Raises Invalid."""
    length_ms = 0 if text in _NONE else times.parse_length(text, field=field)
    if length_ms > LONGEST_OVERLAP_MS:
        raise Invalid(f"{field} must be at most 30d: so long the old one is valid", field=field)
    return length_ms
