"""A pushed change, checked and reduced to bytes: what can be said of it without looking at what is stored."""

import binascii
from base64 import b64decode
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from delta_server.core import times
from delta_server.core.errors import DeltaError, Invalid, TooLarge
from delta_server.core.json import patching, surrogates
from delta_server.core.json_schema import documented
from delta_server.core.sync.digest import checksum_of
from delta_server.core.sync.judging import DELETED, ENCRYPTED, JSON

MAX_CHANGES = 1000
MAX_BYTES = 8 << 20
"""Of the records of a batch, if they are more than one: the one writer takes 60 MB in 390 ms, and all others wait."""
MAX_AHEAD_MS = 5 * 60_000
"""A device's clock may be so far ahead: what it says beyond that is cut to it."""
ABSENT = msgspec.Raw(b"")

Named = Annotated[str, Meta(min_length=1, max_length=200)]
RecordId = Annotated[str, Meta(min_length=1, max_length=256)]


def require_whole(name: str, field: str) -> None:
    """Raise Invalid for one with half of a surrogate pair: it is not the same in each device's language."""
    if surrogates.are_in(name):
        raise Invalid("an id has no half of a surrogate pair", field=field)


class SentChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data` is any JSON and is kept as it stands, `encrypted` base64 of whatever the device made of it; an update may
    send `patch`, JSON Patch operations on `base_version`, instead. `checksum` is the SHA-256, in hex, of the bytes
    sent."""

    record_id: RecordId
    operation: Literal["insert", "update", "delete"]
    change_id: Named | None = None
    data: msgspec.Raw = ABSENT
    encrypted: str | None = None
    patch: msgspec.Raw = ABSENT
    checksum: Annotated[str, documented(maxLength=64)] | None = None
    base_version: Annotated[int, Meta(ge=0, le=1 << 62)] | None = None
    updated_at: Annotated[str, documented(maxLength=40)] | None = None


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`atomic`: all of it or nothing; `per_record`: what can be. `confirm` is what an answer MASS_DELETE gave."""

    device_id: Named
    changes: Annotated[list[SentChange], Meta(min_length=1, max_length=MAX_CHANGES)]
    batch_id: Named | None = None
    mode: Literal["atomic", "per_record"] = "atomic"
    confirm: Annotated[str, documented(maxLength=100)] | None = None


class Prepared(msgspec.Struct, frozen=True):
    """`refusal` is why it cannot be stored at all; `patch` is still to be applied to `base` (`patched`)."""

    change_id: str
    record_id: str
    kind: int
    content: bytes | None = None
    checksum: bytes | None = None
    base: int | None = None
    updated_at: int | None = None
    patch: bytes | None = None
    is_patch: bool = False
    """It came as one: what the record is then depends on what it was made on."""
    refusal: tuple[str, str] | None = None
    lacks_base: bool = False
    """There is no such version to patch."""
    follows: bool = False
    """It is a patch of what an earlier change of its batch made of the record."""


def named(sent: Sequence[SentChange], data_type: str, unique: str) -> list[SentChange]:
    """With ids. A change that came without one is known again by what it says and its number among its like in the
    batch, if it says when it was made; the same without a time is another one, for others may lie between: its id
    begins with `unique`."""
    seen: Counter[str] = Counter()
    found = []
    for change in sent:
        id = change.change_id
        if id is None:
            what = unique if change.updated_at is None else _hash(change, data_type)
            seen[what] += 1
            id = f"{what}-{seen[what]}"
        found.append(change if id is change.change_id else msgspec.structs.replace(change, change_id=id))
    return found


def _hash(sent: SentChange, data_type: str) -> str:
    given = (sent.operation, bytes(sent.data), sent.encrypted, bytes(sent.patch), sent.base_version, sent.updated_at)
    return sha256(msgspec.msgpack.encode((data_type, sent.record_id, given))).hexdigest()


def prepare(sent: SentChange, now_ms: int, limit_bytes: int) -> Prepared:
    """What is wrong with it is its `refusal`, a code and a sentence."""
    try:
        return _prepared(sent, now_ms, limit_bytes)
    except DeltaError as error:
        return Prepared(sent.change_id or "", sent.record_id, JSON, refusal=(error.code, error.message))


def _prepared(sent: SentChange, now_ms: int, limit_bytes: int) -> Prepared:
    at = (
        None
        if sent.updated_at is None
        else min(times.parse(sent.updated_at, field="updated_at"), now_ms + MAX_AHEAD_MS)
    )
    kind, content = _content(sent)
    checksum = None if content is None else checksum_of(content)
    if content is not None:
        _require_size(content, limit_bytes)
    if sent.checksum is not None and (checksum is None or sent.checksum.lower() != checksum.hex()):
        raise Invalid("checksum is not the SHA-256 of what was sent, in hex: send it again", field="checksum")
    if sent.patch is ABSENT:
        return Prepared(sent.change_id or "", sent.record_id, kind, content, checksum, sent.base_version, at)
    id, base = sent.change_id or "", sent.base_version
    return Prepared(id, sent.record_id, JSON, base=base, updated_at=at, patch=content, is_patch=True)


def require_bytes(batch: Sequence[Prepared]) -> None:
    """Raise TooLarge for more than MAX_BYTES."""
    size = sum(len(change.content or b"") for change in batch)
    if size > MAX_BYTES and len(batch) > 1:
        raise TooLarge(f"the records have {size} bytes together, more than {MAX_BYTES}: push fewer at once")


def patched(change: Prepared, before: bytes, limit_bytes: int, budget: patching.Budget) -> Prepared:
    """The change as a whole record, of the content that `base` had."""
    assert change.patch is not None
    try:
        content = patching.patched(before, change.patch, budget)
        _require_size(content, limit_bytes)
    except Invalid as error:
        return msgspec.structs.replace(change, patch=None, refusal=(error.code, error.message))
    return msgspec.structs.replace(change, patch=None, content=content, checksum=checksum_of(content))


def made(change_id: str, record_id: str, content: bytes | None, base: int | None, limit_bytes: int) -> Prepared:
    """A change of a client that speaks another protocol; without `content` a deletion. Raises Invalid."""
    if content is None:
        return Prepared(change_id, record_id, DELETED, base=base)
    _require_size(content, limit_bytes)
    return Prepared(change_id, record_id, JSON, content, checksum_of(content), base)


def _require_size(content: bytes, limit_bytes: int) -> None:
    if len(content) > limit_bytes:
        raise Invalid(f"the record has {len(content)} bytes, more than sync.record_bytes = {limit_bytes}", field="data")


def _content(sent: SentChange) -> tuple[int, bytes | None]:
    """The bytes that were sent, and of what kind the record is then. Raises Invalid."""
    given = [name for name in ("data", "patch") if getattr(sent, name) is not ABSENT]
    given += [] if sent.encrypted is None else ["encrypted"]
    if sent.operation == "delete":
        if given:
            raise Invalid(f"a delete has no {given[0]}", field=given[0])
        return DELETED, None
    if len(given) != 1:
        raise Invalid("give one of data, encrypted and patch", field="data")
    if sent.encrypted is not None:
        return ENCRYPTED, _decoded(sent.encrypted)
    if sent.patch is not ABSENT and (sent.operation == "insert" or not sent.base_version):
        raise Invalid("a patch is an update, of the version in base_version", field="patch")
    return JSON, surrogates.restore(bytes(sent.data if sent.patch is ABSENT else sent.patch))


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("encrypted must be base64, with padding (RFC 4648 4)", field="encrypted") from None
