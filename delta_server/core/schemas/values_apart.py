"""A schema without what it says of values, and what it says of values by itself: events go, and their values with them,
while the fields that they had stay known."""

import msgspec

from delta_server.core.schemas.learning import Learner
from delta_server.core.schemas.shape import NUMERIC, STRING, Shape


def bare(shape: Shape) -> Shape:
    """Without strings and ranges."""
    return msgspec.structs.replace(
        shape,
        texts=(),
        many=bool(shape.types & STRING),
        low=None,
        high=None,
        properties={name: bare(each) for name, each in shape.properties.items()},
        rest=None if shape.rest is None else bare(shape.rest),
        items=None if shape.items is None else bare(shape.items),
    )


def filled(shape: Shape, seen: Shape | None) -> Shape:
    """A bare one with the strings and ranges of `seen`, which was learned from some of the same documents."""
    if seen is None:
        return shape
    of_rest = _of_rest(seen) if shape.rest is not None else None
    return msgspec.structs.replace(
        shape,
        texts=seen.texts,
        many=seen.many or bool(shape.types & STRING and not seen.types & STRING),
        low=seen.low if seen.types & NUMERIC else None,
        high=seen.high if seen.types & NUMERIC else None,
        properties={name: filled(each, seen.properties.get(name)) for name, each in shape.properties.items()},
        rest=None if shape.rest is None else filled(shape.rest, of_rest if shape.is_map else seen.rest),
        items=None if shape.items is None else filled(shape.items, seen.items),
    )


def _of_rest(seen: Shape) -> Shape | None:
    """Of all members: what is a map by now may have been none in the documents that `seen` is of."""
    if not seen.properties:
        return seen.rest
    learner = Learner(seen.rest)
    for each in seen.properties.values():
        learner.join(each)
    return learner.shape()
