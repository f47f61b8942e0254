"""Codes of an authenticator app: TOTP (RFC 6238) by SHA-1, six digits, a new one every 30 seconds, as all apps know it;
and recovery codes, for who has lost the app."""

import hmac
from base64 import b32encode

SECRET_BYTES, RECOVERY_BYTES = 20, 15
RECOVERY_CODES = 10
_STEP_S, _DIGITS = 30, 6
_ISSUER = "Delta"


def secret_text(secret: bytes) -> str:
    """As people type it into an app that cannot scan."""
    return b32encode(secret).decode()


def uri(secret: bytes, email: str) -> str:
    """What an app reads from a QR code: otpauth://totp/Delta:EMAIL?..."""
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.twofactor.totp import TOTP

    sha1 = SHA1()  # noqa: S303 - what apps know; as an HMAC it is sound
    return TOTP(secret, _DIGITS, sha1, _STEP_S).get_provisioning_uri(email, _ISSUER)


def matching_step(secret: bytes, code: str, now_ms: int, *, after: int) -> int | None:
    """The step whose code this is: now's or one beside it, as clocks differ. None for a wrong code, and for one of a
    step up to `after`, the last that was used: a code that somebody watched is worth nothing."""
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.twofactor.hotp import HOTP

    digits = "".join(code.split()).encode()
    codes = HOTP(secret, _DIGITS, SHA1())  # noqa: S303 - as above
    now = now_ms // 1000 // _STEP_S
    found = None
    for step in (now - 1, now, now + 1):
        if step >= 0 and hmac.compare_digest(codes.generate(step), digits) and step > after:
            found = step
    return found


def recovery_code(randomness: bytes) -> str:
    """120 bits, of which a fast hash is kept: `kq2v7d-...` in four groups."""
    text = b32encode(randomness).decode().lower()
    return "-".join(text[start : start + 6] for start in range(0, len(text), 6))


def normal_recovery(code: str) -> str:
    """However it was typed."""
    return "".join(code.split()).replace("-", "").lower()
