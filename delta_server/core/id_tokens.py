"""ID tokens: what an identity provider says of somebody, signed (OpenID Connect Core 1.0, 2 and 3.1.3.7).

RS256 and ES256, by a key of the provider's that is made for it, and nothing else: no `none`, no HMAC with what others
know too.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

ALGORITHMS = {"RS256": "RSA", "ES256": "EC"}
"""With the kind of key that each takes."""
SKEW_S = 60
"""The provider's clock is another machine's."""
_MOST_SECONDS = 1 << 53
_MOST_CHARACTERS = 64 << 10
_KEY_DIGITS = range(342, 1367)
"""Of an RSA key's modulus in base64url: 2048 to 8192 bits."""


class BadIdToken(ValueError):
    """The text says why, and nothing of what is in the token."""


class UnknownKey(BadIdToken):
    """The provider may have another one by now, under another name or the same."""


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None


class Expected(msgspec.Struct, frozen=True):
    issuer: str
    client_id: str
    nonce: str
    access_token: str | None


def read(text: str, keys: Sequence[Mapping[str, Any]], expected: Expected, *, now_s: int) -> dict[str, Any]:
    """The claims. `keys` are the provider's, as its JWKS lists them. Raises BadIdToken, UnknownKey."""
    from joserfc import jwk, jwt
    from joserfc.errors import BadSignatureError, JoseError

    if len(text) > _MOST_CHARACTERS:
        raise BadIdToken("it is too long")
    header = _header(text)
    key = _key(keys, header)
    try:
        claims = jwt.decode(text, jwk.import_key(dict(key)), algorithms=[header.alg]).claims
    except BadSignatureError:
        raise UnknownKey("its signature is wrong") from None
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BadIdToken("its form is wrong") from None
    check(claims, expected, now_s=now_s)
    return claims


def check(claims: Mapping[str, Any], expected: Expected, *, now_s: int) -> None:
    """Of claims whose signature is right. Raises BadIdToken."""
    if claims.get("iss") != expected.issuer:
        raise BadIdToken("another issuer made it")
    _check_audience(claims, expected.client_id)
    if _seconds(claims, "exp") <= now_s - SKEW_S:
        raise BadIdToken("it has expired")
    if max(_seconds(claims, "iat"), _seconds(claims, "nbf") if "nbf" in claims else 0) > now_s + SKEW_S:
        raise BadIdToken("it is not valid yet: compare the clocks of both servers")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(errors="replace"), expected.nonce.encode()):
        raise BadIdToken("it belongs to another login")
    if "at_hash" in claims and (expected.access_token is None or claims["at_hash"] != _half(expected.access_token)):
        raise BadIdToken("it belongs to another access token")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise BadIdToken("it names nobody")


def _header(text: str) -> _Header:
    from joserfc.util import urlsafe_b64decode

    try:
        header = msgspec.json.decode(urlsafe_b64decode(text.partition(".")[0].encode("ascii")), type=_Header)
    except (ValueError, msgspec.MsgspecError):
        raise BadIdToken("its header is wrong") from None
    if header.alg not in ALGORITHMS:
        raise BadIdToken("it is not signed by RS256 or ES256")
    return header


def _key(keys: Sequence[Mapping[str, Any]], header: _Header) -> Mapping[str, Any]:
    """Without a `kid` in the header, the only one there is for its algorithm."""
    fitting = [
        key
        for key in keys
        if key.get("kty") == ALGORITHMS[header.alg]
        and key.get("use", "sig") == "sig"
        and key.get("alg", header.alg) == header.alg
        and (header.kid is None or key.get("kid") == header.kid)
        and (key["kty"] != "RSA" or len(str(key.get("n", ""))) in _KEY_DIGITS)
        and (key["kty"] != "EC" or key.get("crv") == "P-256")
    ]
    if len(fitting) != 1:
        raise UnknownKey("the provider lists no key that can have signed it, or more than one")
    return fitting[0]


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """Raises BadIdToken."""
    audience = claims.get("aud")
    several = audience if isinstance(audience, list) else [audience]
    if client_id not in several:
        raise BadIdToken("it is for another client")
    if claims.get("azp", None if len(several) > 1 else client_id) != client_id:
        raise BadIdToken("it was made for another client")


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST_SECONDS:
        raise BadIdToken(f"its {name} is missing or not a number")
    return value


def _half(access_token: str) -> str:
    """Both algorithms go with SHA-256."""
    return urlsafe_b64encode(sha256(access_token.encode()).digest()[:16]).rstrip(b"=").decode()
