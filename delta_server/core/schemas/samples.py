"""What samples of events say of their types. Of all of them the fields stay known (`shape`), of the recent ones also
strings and ranges (`seen`), which are dropped and learned anew as events go."""

from collections.abc import Sequence

import msgspec

from delta_server.core.schemas import changes
from delta_server.core.schemas.changes import SchemaChange
from delta_server.core.schemas.learning import Learner
from delta_server.core.schemas.shape import Shape
from delta_server.core.schemas.steps import packed, unpacked
from delta_server.core.schemas.values_apart import bare, filled

LEVEL = 1
"""An event may have as many fields as an object within a document: a project has many types."""
SEEN_BYTES = 32 << 10
"""What is known of the values of a type is dropped where it is longer, packed: 1,200 fields with long strings."""
Value = str | int | float | Sequence[str] | None


class SampledEvent(msgspec.Struct, frozen=True, array_like=True):
    """Times are in ms; `data` and `metadata` are JSON objects."""

    seq: int
    time_ms: int
    received_at: int
    source: str | None
    status: str | None
    duration: float | None
    priority: int | None
    tags: Sequence[str] | None
    data: str | None
    metadata: str | None


class Sampled(msgspec.Struct, frozen=True):
    """Events of a type, and what is known of it. The values of those before `recent_from` are not kept."""

    events: Sequence[SampledEvent]
    shape: bytes | None
    seen: bytes | None
    recent_from: int


class SampleLearnt(msgspec.Struct, frozen=True):
    """`changed_at` and `happened_at` are of the last event that did not fit: when it was received, its time."""

    shape: bytes
    seen: bytes | None
    recent: int
    changes: Sequence[SchemaChange]
    changed_at: int
    happened_at: int


def learn_each(samples: Sequence[Sampled]) -> list[SampleLearnt]:
    return [learn(sampled) for sampled in samples]


def learn(sampled: Sampled) -> SampleLearnt:
    before = None if sampled.shape is None else unpacked(sampled.shape)
    learner = Learner(before, level=LEVEL)
    values = Learner(None if sampled.seen is None else unpacked(sampled.seen), level=LEVEL)
    events = sorted(sampled.events, key=lambda event: event.seq)
    last, recent = events[0], 0
    for event in events:
        text = document(event)
        if learner.learn(text):
            last = event
        if event.time_ms >= sampled.recent_from:
            values.learn(text)
            recent += 1
    after = bare(learner.shape())
    seen = packed(values.shape()) if recent or sampled.seen is not None else None
    if seen is not None and len(seen) > SEEN_BYTES:
        seen = packed(bare(values.shape()))
    found = [] if before is None else changes.between(before, after)
    return SampleLearnt(packed(after), seen, recent, found, last.received_at, last.time_ms)


def document(event: SampledEvent) -> bytes:
    """What senders say of it besides its type, its ids and its times."""
    named: dict[str, Value] = {
        "source": event.source,
        "status": event.status,
        "duration": event.duration,
        "priority": event.priority,
        "tags": event.tags,
    }
    found: dict[str, Value | msgspec.Raw] = {name: value for name, value in named.items() if value is not None}
    for name, text in (("data", event.data), ("metadata", event.metadata)):
        if text is not None:
            found[name] = msgspec.Raw(text.encode())
    return msgspec.json.encode(found)


def shown(shape: bytes, seen: bytes | None) -> Shape:
    return filled(unpacked(shape), None if seen is None else unpacked(seen))
