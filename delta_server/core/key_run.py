"""Deduplication keys: 10 bytes that stand for a message id of a project."""

import xxhash

KEY_BYTES = 10


def key(project: int, message_id: str) -> bytes:
    """Another project has another key for the same id. Among a thousand million ids of one project two have the same
    key with a chance of 1 in 2.4 million."""
    return xxhash.xxh3_128_digest(message_id.encode(), project)[:KEY_BYTES]
