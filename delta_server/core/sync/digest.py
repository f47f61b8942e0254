"""What a device and the server compare to know that they hold the same records.

    digest of a collection = exclusive or, over its living records, of
        the first 16 bytes of SHA-256(record id in UTF-8, one byte 0, checksum)

The order of records does not matter, and one that changes takes two steps. The checksum is the SHA-256 of the record's
bytes.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY = bytes(16)


def checksum_of(content: bytes) -> bytes:
    return sha256(content).digest()


def of_record(record_id: str, checksum: bytes) -> bytes:
    return sha256(record_id.encode() + b"\0" + checksum).digest()[:16]


def with_change(digest: bytes, change: bytes) -> bytes:
    """With a record that came, or without one that goes."""
    return (int.from_bytes(digest) ^ int.from_bytes(change)).to_bytes(16)


def id_hash(record_id: str) -> bytes:
    """What is remembered of a deleted record's id when its tombstone is purged."""
    return sha256(record_id.encode()).digest()[:16]


def bucket(record_id: str, buckets: int) -> int:
    """Which of so many buckets a record is in: the first four bytes of its id's SHA-256, as a number, modulo them."""
    return int.from_bytes(sha256(record_id.encode()).digest()[:4]) % buckets


def of_buckets(records: Iterable[tuple[str, bytes]], buckets: int, before: Sequence[int]) -> list[int]:
    """The digests of buckets, as numbers, with more records, given by ids and checksums."""
    found = list(before)
    for record_id, checksum in records:
        found[bucket(record_id, buckets)] ^= int.from_bytes(of_record(record_id, checksum))
    return found
