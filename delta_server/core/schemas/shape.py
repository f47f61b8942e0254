"""What documents of an endpoint have in common: a schema as a value.

Each part only ever widens as documents come in, and says the same in whatever order they come (learning.py).
"""

from collections.abc import Mapping

import msgspec

NULL, BOOLEAN, INTEGER, NUMBER, STRING, OBJECT, ARRAY = (1 << n for n in range(7))
NUMERIC = INTEGER | NUMBER
NAMES = {
    NULL: "null",
    BOOLEAN: "boolean",
    INTEGER: "integer",
    NUMBER: "number",
    STRING: "string",
    OBJECT: "object",
    ARRAY: "array",
}


class Shape(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is at a place, in all documents. `types` are bits. `texts` are all strings, sorted, or the first of them
    when there are `many`. `low` and `high` are None where numbers have no bound. `rest` is what members have whose
    names are data; of a map that is all of them. `required` members are in every object."""

    types: int = 0
    texts: tuple[str, ...] = ()
    many: bool = False
    formats: int = 0
    low: int | float | None = None
    high: int | float | None = None
    properties: Mapping[str, "Shape"] = {}
    required: tuple[str, ...] = ()
    rest: "Shape | None" = None
    items: "Shape | None" = None
    is_map: bool = False


def type_names(types: int) -> list[str]:
    """A whole number is a number: where there are both there is one."""
    if types & NUMBER:
        types &= ~INTEGER
    return [name for bit, name in NAMES.items() if types & bit]


encode = msgspec.json.Encoder(order="sorted").encode
decode = msgspec.json.Decoder(Shape).decode
