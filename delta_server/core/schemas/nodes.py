"""A schema while it is learned (learning.py): a tree that can be widened, made of a Shape and made into one."""

from collections.abc import Iterable

from delta_server.core.schemas.shape import NUMERIC, STRING, Shape
from delta_server.core.schemas.texts import ALL_FORMATS
from delta_server.core.schemas.values import UNBOUNDED

LEVELS = (16_000, 2_000, 600, 250, 120, 60, 40, 28, 20, 14, 10, 6, 4, 2)
"""What an object may weigh by how many objects it is in. Arrays in arrays count as well."""
MOST_NAMES = 256
MOST_TEXTS, FEW_TEXTS, LONGEST_TEXT = 12, 3, 60
"""Strings that are kept of a place: all, or of more, or longer ones, the first few."""


class Node:
    """A place on its way to a Shape. `parent` None: the root, or no longer in the tree."""

    __slots__ = (
        "formats", "high", "in_array", "is_deepest", "is_map", "items", "last", "level", "low", "many", "own", "parent",
        "props", "required", "rest", "seen", "seen_raw", "texts", "types", "weight",
    )  # fmt: skip

    def __init__(self, parent: "Node | None", level: int, *, in_array: bool = False) -> None:
        self.parent, self.level, self.in_array = parent, level, in_array
        self.is_deepest = level + 1 >= len(LEVELS)
        self.types, self.formats, self.many, self.is_map = 0, ALL_FORMATS, False, False
        self.texts: set[str] = set()
        self.last: str | None = None
        """Of the few strings that are kept of many; later ones say nothing."""
        self.high: int | float
        self.low: int | float
        self.high, self.low = UNBOUNDED  # so far no number is between them
        self.props: dict[str, Node] = {}
        self.required: set[str] = set()
        self.rest: Node | None = None
        self.items: Node | None = None
        self.own = self.weight = 1
        self.seen: set[str] = set()
        self.seen_raw: set[bytes] = set()

    @property
    def most(self) -> int:
        return LEVELS[self.level] + (0 if self.in_array else 2)


def add_texts(node: Node, texts: Iterable[str], *, many: bool) -> None:
    node.texts.update(texts)
    node.many = node.many or many or len(node.texts) > MOST_TEXTS
    if node.many and len(node.texts) >= FEW_TEXTS:
        node.texts = set(sorted(node.texts)[:FEW_TEXTS])
        node.last = max(node.texts)


def node_of(shape: Shape, parent: Node | None = None, level: int = 0, *, in_array: bool = False) -> Node:
    node = Node(parent, level, in_array=in_array)
    node.types, node.texts, node.many, node.is_map = shape.types, set(shape.texts), shape.many, shape.is_map
    node.formats = shape.formats if shape.types & STRING else ALL_FORMATS
    if shape.types & NUMERIC:
        node.low = UNBOUNDED[0] if shape.low is None else shape.low
        node.high = UNBOUNDED[1] if shape.high is None else shape.high
    node.required = set(shape.required)
    if not node.is_deepest:
        node.props = {name: node_of(each, node, level + 1) for name, each in shape.properties.items()}
        node.rest = None if shape.rest is None else node_of(shape.rest, node, level + 1)
    if shape.items is not None and level + in_array < len(LEVELS):
        node.items = node_of(shape.items, node, level + in_array, in_array=True)
    below = [*node.props.values(), *[each for each in (node.rest, node.items) if each is not None]]
    node.own += sum([each.weight for each in below])
    weigh(node)
    return node


def weigh(node: Node) -> int:
    """By how much it became heavier."""
    before, node.weight = node.weight, max(node.most, node.own) if node.is_map else node.own
    return node.weight - before


def shape_of(node: Node) -> Shape:
    low, high = node.low, node.high
    return Shape(
        types=node.types,
        texts=tuple(sorted(node.texts)),
        many=node.many,
        formats=node.formats if node.types & STRING else 0,
        low=None if low in UNBOUNDED else low,
        high=None if high in UNBOUNDED else high,
        properties={name: shape_of(child) for name, child in sorted(node.props.items())},
        required=tuple(sorted(node.required)),
        rest=None if node.rest is None else shape_of(node.rest),
        items=None if node.items is None else shape_of(node.items),
        is_map=node.is_map,
    )
