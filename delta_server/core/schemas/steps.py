"""Versions in a row, and what each did to the schema.

learnt = learn_all(Lesson(documents, known, before))   # `known` as `learnt.shape`; None at the beginning
"""

from collections.abc import Sequence

import msgspec

from delta_server.core.packs import small
from delta_server.core.schemas import changes
from delta_server.core.schemas.changes import SchemaChange
from delta_server.core.schemas.learning import Learner
from delta_server.core.schemas.shape import Shape, decode, encode

MOST_BYTES = 256 << 10
"""Of schemas that are kept at once: behind so many, the other documents wait."""
_MOST_DECODED = 16 << 20


class Step(msgspec.Struct, frozen=True):
    """Document `number` changed the schema to `shape`."""

    number: int
    changes: Sequence[SchemaChange]
    shape: bytes


class Learnt(msgspec.Struct, frozen=True):
    """What was learned from the first `count` of the documents."""

    shape: bytes
    count: int
    steps: Sequence[Step]


class Lesson(msgspec.Struct, frozen=True):
    """Documents to learn from, in order, what is `known`, and the document before them where it is at hand: what they
    have in common with it is known."""

    documents: Sequence[bytes]
    known: bytes | None = None
    document_before: bytes | None = None

    @property
    def size(self) -> int:
        return sum(map(len, self.documents))


def learn_each(lessons: Sequence[Lesson]) -> list[Learnt]:
    """Of several endpoints."""
    return [learn_all(lesson) for lesson in lessons]


def learn_all(lesson: Lesson) -> Learnt:
    documents = lesson.documents
    before = None if lesson.known is None else unpacked(lesson.known)
    learner = Learner(before)
    steps: list[Step] = []
    size = count = 0
    previous = None if before is None else lesson.document_before
    for number, document in enumerate(documents):
        has_changed = learner.learn(document, previous)
        previous = document
        count += 1
        if not (has_changed or before is None):
            continue
        after = learner.shape()
        found = [] if before is None else changes.between(before, after)
        if found or before is None:
            steps.append(Step(number, found, packed(after)))
            size += len(steps[-1].shape)
        before = after
        if size > MOST_BYTES:
            break
    return Learnt(packed(learner.shape()), count, steps)


def packed(shape: Shape) -> bytes:
    return small.packed(encode(shape), level=3)


def unpacked(stored: bytes) -> Shape:
    return decode(small.unpacked(stored, most_bytes=_MOST_DECODED))
