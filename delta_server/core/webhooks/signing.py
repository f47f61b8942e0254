"""Signatures of what webhooks send: Standard Webhooks 1.0, and the plain header that GitHub made common.

    webhook-id: 01890a5d-...             the same for each attempt: whoever has seen it has the message
    webhook-timestamp: 1790000000        of the attempt, in seconds
    webhook-signature: v1,BASE64 v1,...  HMAC-SHA256 of "id.timestamp.body", by each secret that is valid
    x-signature-256: sha256=HEX          HMAC-SHA256 of the body by the newest secret, whose key is its text

A secret is `whsec_` and base64 of 24 to 64 bytes, in the standard alphabet: libraries drop `-` and `_` of the other one
in silence and sign with another key.
"""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence

from delta_server.core.errors import Invalid

PREFIX = "whsec_"
SECRET_BYTES = 32
_SHORTEST, _LONGEST = 24, 64


def secret_text(key: bytes) -> str:
    return PREFIX + b64encode(key).decode()


def check_secret(text: str) -> str:
    """The secret as it is stored. Raises Invalid, which does not repeat it."""
    try:
        key = b64decode(text.removeprefix(PREFIX).encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        key = b""
    if not text.startswith(PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        raise Invalid(
            f"secret must be {PREFIX} and standard base64 of {_SHORTEST} to {_LONGEST} random bytes; leave it out, and"
            " one is made",
            field="secret",
        )
    return secret_text(key)


def headers(secrets: Sequence[str], id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """For one attempt; of several secrets the newest is first."""
    signed = f"{id}.{timestamp_s}.".encode() + body
    keys = [b64decode(secret.removeprefix(PREFIX)) for secret in secrets]
    signatures = [f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys]
    plain = hmac.digest(secrets[0].encode(), body, "sha256").hex()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(signatures),
        "x-signature-256": f"sha256={plain}",
    }
