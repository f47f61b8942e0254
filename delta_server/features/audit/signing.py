"""The signature of a chain's head (core/audit_chain.py), by a key that is derived from delta.key."""

import hmac

import msgspec

from delta_server.core.audit_chain import Head, signed_bytes
from delta_server.core.errors import Unavailable
from delta_server.storage.database import Tx
from delta_server.storage.key_file import ServerKey

_PURPOSE, _KEY_ID = "audit log", "audit log: which key"
_KEY_ID_BYTES = 8


def key_id(by: Tx | ServerKey) -> bytes:
    """Which key it is; empty when it cannot be used, which keeps nobody from revoking a key, say."""
    try:
        return by.sign(_KEY_ID, b"")[:_KEY_ID_BYTES]
    except Unavailable:
        return b""


def signed(tx: Tx, account: int, head: Head) -> Head:
    """With its signature, or without when there is no key to sign with."""
    known = key_id(tx)
    signature = tx.sign(_PURPOSE, signed_bytes(account, head)) if known else b""
    return msgspec.structs.replace(head, key_id=known, signature=signature)


def is_genuine(key: ServerKey, account: int, head: Head) -> bool:
    """Whether the key that it says has signed it. Raises Unavailable."""
    return hmac.compare_digest(key.sign(_PURPOSE, signed_bytes(account, head)), head.signature)
