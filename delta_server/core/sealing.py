"""Secrets that the server must be able to read again are encrypted at rest: AES-256-GCM.

    nonce, 12 bytes | ciphertext | tag, 16 bytes

The key is derived from the server's own (storage/key_file.py), which is not in the database: a stolen database or
backup tells none of them. `bound_to` says whose secret it is, `totp of user 7`: copied into another's row it cannot be
read.
"""

import hmac

NONCE_BYTES = 12


class Unreadable(ValueError):
    """Sealed with another key or for something else, or damaged."""


def seal(key: bytes, nonce: bytes, secret: bytes, *, bound_to: str) -> bytes:
    """`nonce` is random, of NONCE_BYTES."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return nonce + AESGCM(_derived(key)).encrypt(nonce, secret, bound_to.encode())


def unseal(key: bytes, sealed: bytes, *, bound_to: str) -> bytes:
    """Raises Unreadable."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    if len(nonce) < NONCE_BYTES:
        raise Unreadable("too short")
    try:
        return AESGCM(_derived(key)).decrypt(nonce, rest, bound_to.encode())
    except InvalidTag:
        raise Unreadable("not sealed with this key, or for something else") from None


def _derived(key: bytes) -> bytes:
    """The same bytes sign tokens: no key has two uses."""
    return hmac.digest(key, b"secrets at rest", "sha256")
