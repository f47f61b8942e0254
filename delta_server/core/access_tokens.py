"""Access tokens of people who signed in: JWTs (RFC 7519), HS256 and nothing else, valid for 15 minutes.

    {"sub": user's id, "sid": session's id, "iat", "exp": seconds, "aud": "delta", "iss": "delta"}

The session is looked up at every request, so a token is refused as soon as its session is revoked.
"""

from functools import lru_cache
from typing import Any, Literal

import msgspec

from delta_server.core.errors import Unauthorized

KEY_BYTES = 32
LIFE_S = 15 * 60
_SKEW_S = 5
"""Clocks of one machine differ by less."""
_MOST_CHARACTERS = 1000
_KNOWN = 2000
"""Tokens that are known to be good: 2 MB at most."""


class _Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    sub: str
    sid: str
    iat: int
    exp: int
    aud: Literal["delta"]
    iss: Literal["delta"]
    nbf: int = 0


class Claims(msgspec.Struct, frozen=True):
    user: str
    session: str


def import_library() -> None:
    """On any thread: it takes 0.2 s, better before the first person signs in."""
    from joserfc import jwk, jwt  # noqa: F401 - for its effect: the next import of it takes no time


def is_one(text: str) -> bool:
    """Whether a credential means to be an access token: no API key has a dot."""
    return "." in text


def make(key: bytes, claims: Claims, now_ms: int) -> str:
    from joserfc import jwt

    now = now_ms // 1000
    payload = _Payload(claims.user, claims.session, now, now + LIFE_S, "delta", "delta")
    return jwt.encode({"alg": "HS256"}, msgspec.to_builtins(payload), _key(key))


def read(key: bytes, text: str, now_ms: int) -> Claims:
    """Raises Unauthorized for whatever `make` did not make with this key, and for what has expired."""
    claims = _payload(key, text)
    now = now_ms // 1000
    if max(claims.iat, claims.nbf) > now + _SKEW_S:
        raise Unauthorized("the access token is not valid yet: the clock of this server was set back")
    if claims.exp <= now:
        raise Unauthorized("the access token has expired: get another one by POST /v1/auth/refresh")
    return Claims(claims.sub, claims.sid)


@lru_cache(_KNOWN)
def _payload(key: bytes, text: str) -> _Payload:
    """What `make` signed, whenever it was. A token comes with every request of its quarter of an hour, and its
    signature is checked once; those that are refused raise, and are not kept."""
    from joserfc import jwt
    from joserfc.errors import JoseError

    if len(text) > _MOST_CHARACTERS:
        raise Unauthorized(_WRONG)
    try:
        token = jwt.decode(text, _key(key), algorithms=["HS256"])
        return msgspec.convert(token.claims, _Payload)
    except (JoseError, msgspec.ValidationError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Unauthorized(_WRONG) from None


_WRONG = "this is not an access token of this server: sign in again by POST /v1/auth/login"


def _key(key: bytes) -> Any:
    from joserfc.jwk import OctKey

    return OctKey.import_key(key)
