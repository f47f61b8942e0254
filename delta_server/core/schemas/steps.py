"""Versions in a row, and what each did to the schema.

learnt = learn_all(known, documents)   # `known` as `learnt.shape`; None at the beginning
"""

from collections.abc import Sequence

import msgspec
import zstandard

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


def learn_all(known: bytes | None, documents: Sequence[bytes]) -> Learnt:
    before = None if known is None else unpacked(known)
    learner = Learner(before)
    steps: list[Step] = []
    size = count = 0
    for number, document in enumerate(documents):
        has_changed = learner.learn(document)
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
    return zstandard.ZstdCompressor(level=3).compress(encode(shape))


def unpacked(stored: bytes) -> Shape:
    return decode(zstandard.ZstdDecompressor().decompress(stored, max_output_size=_MOST_DECODED))
