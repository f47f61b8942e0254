"""A schema as people and programs read it: small maps and enumerations are recognised."""

from delta_server.core.schemas.learning import Learner
from delta_server.core.schemas.shape import NULL, NUMERIC, OBJECT, STRING, Shape
from delta_server.core.schemas.texts import is_code

ENOUGH_VERSIONS = 20
"""Before so many, few different strings say nothing."""
_MAP_FROM, _TEXT_MAP_FROM = 8, 24


def presented(shape: Shape) -> Shape:
    """Objects of which no member is always there, and all are alike, are maps too."""
    properties = {name: presented(each) for name, each in shape.properties.items()}
    rest = None if shape.rest is None else presented(shape.rest)
    items = None if shape.items is None else presented(shape.items)
    is_map = shape.is_map or (rest is not None and not properties)
    if not shape.required and _are_alike(list(properties.values())):
        learner = Learner(rest)
        for each in properties.values():
            learner.join(each)
        properties, rest, is_map = {}, learner.shape(), True
    return Shape(
        types=shape.types,
        texts=shape.texts,
        many=shape.many,
        formats=shape.formats,
        low=shape.low,
        high=shape.high,
        properties=properties,
        required=shape.required,
        rest=rest,
        items=items,
        is_map=is_map,
    )


def _are_alike(members: list[Shape]) -> bool:
    if len(members) < _MAP_FROM:
        return False
    types = members[0].types & ~NULL
    if any(each.types & ~NULL != types for each in members):
        return False
    if types == OBJECT:
        names = set(members[0].properties)
        return all(len(names & set(each.properties)) * 2 >= len(names | set(each.properties)) for each in members)
    return types in (NUMERIC, NUMERIC & -NUMERIC) or len(members) >= _TEXT_MAP_FROM


def values_of(shape: Shape, versions: int) -> tuple[str, ...] | None:
    """The strings there may be, where they are an enumeration."""
    if shape.many or not shape.types & STRING or shape.formats or versions < ENOUGH_VERSIONS:
        return None
    return shape.texts if all(map(is_code, shape.texts)) else None
