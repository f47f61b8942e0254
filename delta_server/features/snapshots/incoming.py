"""What requests want stored, checked before anything is planned."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from delta_server.core import times
from delta_server.core.errors import BadRequest, Invalid, NotFound, TooLarge
from delta_server.core.json import json_text
from delta_server.core.packs import codec
from delta_server.core.schemas.fitting import Misfit
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots.schemas import ReceivedSnapshot
from delta_server.services import Services
from delta_server.storage.database import Tx

MAX_METADATA_BYTES = 16 * 1024
MAX_SOURCE_CHARACTERS = 200
MAX_AHEAD_MS = times.DAY_MS
EARLIEST_CAPTURE_MS = 0


class NewSnapshot(msgspec.Struct, frozen=True):
    """A snapshot to store: `endpoint` is a reference, or the name of one to make if it is not there."""

    endpoint: EndpointRef | str
    body: bytes
    captured_at: int
    source: str | None = None
    metadata: str | None = None
    checked: bool = False
    """The body is known to be JSON."""
    misfits: Sequence[Misfit] = ()
    """Where it does not fit its endpoint's schema, and is stored all the same."""
    is_latest: bool = False
    """The caller gave no time: it comes after all the endpoint has, even when the clock was set back meanwhile."""
    companion: Callable[[Tx, bytes], object] | None = None
    """Writes what goes with it, given its id on the wire. Of one that is the latest it refuses nothing."""


def new_snapshots(svc: Services, project: int, items: Sequence[ReceivedSnapshot]) -> list[NewSnapshot]:
    """What requests want stored. Raises NotFound for an unknown endpoint's id, Invalid."""
    targets: dict[str, EndpointRef | str] = {}
    now_ms = svc.clock.now_ms()
    found = []
    for number, item in enumerate(items):
        with _prefix_errors(number, len(items)):
            if item.endpoint not in targets:
                targets[item.endpoint] = endpoints.resolve_or_name(svc, project, item.endpoint)
            captured_at = now_ms if item.captured_at is None else times.parse(item.captured_at, field="captured_at")
        new = NewSnapshot(
            targets[item.endpoint], item.body, captured_at, item.source, item.metadata, checked=item.checked
        )
        found.append(msgspec.structs.replace(new, is_latest=item.captured_at is None))
    return found


@contextmanager
def _prefix_errors(number: int, count: int) -> Iterator[None]:
    """Lets an error about one of several snapshots say about which."""
    try:
        yield
    except (BadRequest, Invalid, NotFound, TooLarge) as error:
        if count == 1:
            raise
        field = ".".join([f"snapshots[{number}]", *(part.field for part in error.errors[:1])])
        raise type(error)(f"snapshot {number}: {error.message}", field=field) from None


def check(new: NewSnapshot, limit_bytes: int, now_ms: int) -> None:
    """Raise BadRequest, TooLarge or Invalid if `new` may not be stored."""
    if len(new.body) > limit_bytes:
        raise TooLarge(f"the document has {len(new.body)} bytes, more than limits.document_bytes = {limit_bytes}")
    if not new.checked:
        json_text.check_document(new.body)
    if not EARLIEST_CAPTURE_MS <= new.captured_at <= now_ms + MAX_AHEAD_MS:
        raise Invalid(
            f"captured_at must lie between {times.format(EARLIEST_CAPTURE_MS)} and a day from now; "
            f"it is {times.format(new.captured_at)}",
            field="captured_at",
        )
    if new.source is not None and len(new.source) > MAX_SOURCE_CHARACTERS:
        raise Invalid(f"source has more than {MAX_SOURCE_CHARACTERS} characters", field="source")
    if new.source is not None and "\0" in new.source:
        raise Invalid("source contains the character U+0000, which is not allowed", field="source")
    if new.metadata is not None:
        _check_metadata(new.metadata)


def _check_metadata(metadata: str) -> None:
    raw = metadata.encode()
    if len(raw) > MAX_METADATA_BYTES:
        raise Invalid(f"metadata has more than {MAX_METADATA_BYTES} bytes", field="metadata")
    try:
        json_text.check(raw, "metadata")
    except BadRequest as error:
        raise Invalid(error.message, field="metadata") from None
    if not raw.lstrip().startswith(b"{"):
        raise Invalid("metadata must be a JSON object", field="metadata")


def check_all(new_snapshots: Sequence[NewSnapshot], limit_bytes: int, now_ms: int) -> list[bytes]:
    """The documents' hashes, once all of them may be stored."""
    for number, new in enumerate(new_snapshots):
        with _prefix_errors(number, len(new_snapshots)):
            check(new, limit_bytes, now_ms)
    return [codec.digest(new.body) for new in new_snapshots]
