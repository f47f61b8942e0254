"""The chain of the audit log: what its hashes cover, so that anybody can check them.

A row's hash is SHA-256 over the 32 bytes of the hash before it and the row's canonical bytes: its fields, in the order
of `Entry`, as a JSON array in UTF-8 without white space (RFC 8259; only `"`, `\\` and control characters are escaped).
The hash before the first row is 32 zero bytes. The head holds the last row's number and hash, and those of the last row
that was cut off when its time had come; it is signed with a key that is not in the database.

Without that key nobody can alter, add, reorder or remove a row, the last ones included, unnoticed. It proves nothing
against who holds the key as well, nor that the whole database is not an older copy: for that, keep the hash of a row
elsewhere.
"""

from collections.abc import Sequence
from hashlib import sha256

import msgspec

GENESIS = bytes(32)


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A row. `at` is in ms, `project` an id as on the wire, None for what is about the whole account; `detail` is a
    JSON object. `repeats` is how often it happened, where many alike are one row."""

    seq: int
    at: int
    actor: str
    address: str
    request_id: str
    action: str
    project: str | None
    target: str
    name: str
    outcome: str
    repeats: int
    detail: str


class Row(msgspec.Struct, frozen=True):
    entry: Entry
    hash: bytes


class Head(msgspec.Struct, frozen=True):
    """`key_id` tells with which key `signature` was made; both are empty when there was none to sign with."""

    seq: int = 0
    hash: bytes = GENESIS
    cut_seq: int = 0
    cut_hash: bytes = GENESIS
    key_id: bytes = b""
    signature: bytes = b""


def link(before: bytes, entry: Entry) -> bytes:
    """The hash of the row behind the one with the hash `before`."""
    return sha256(before + msgspec.json.encode(entry)).digest()


def signed_bytes(account: int, head: Head) -> bytes:
    """What the signature of the head covers."""
    numbers = b"".join(number.to_bytes(8) for number in (account, head.seq, head.cut_seq))
    return numbers + head.hash + head.cut_hash


def first_fault(after: int, before: bytes, rows: Sequence[Row]) -> str | None:
    """What is wrong with `rows`, which follow the row number `after` with the hash `before`; None when nothing is."""
    for row in rows:
        seq = row.entry.seq
        if seq <= after:
            return f"row {seq} was added"
        if seq > after + 1:
            return missing(after + 1, seq - 1)
        if link(before, row.entry) != row.hash:
            return f"row {seq} is not what was written, or the one before it"
        after, before = seq, row.hash
    return None


def missing(first: int, last: int) -> str:
    return f"row {first} is gone" if first == last else f"rows {first} to {last} are gone"
