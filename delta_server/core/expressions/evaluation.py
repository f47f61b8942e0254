"""Evaluates the syntax tree that jmespath's parser makes of an expression.

Its own interpreter has no bounds: `[@,@]|[@,@]|...` makes a tree of 2^n shared parts, which `==` walks through for
ever, and `join(@, [@,@])` a text of 2^n characters. Here a node that is evaluated, an element that is looked at and
every few characters are a step, and their number is bounded. It also compares with < what mixes types as the
specification says (null), where jmespath 1.1 raises a TypeError, and keeps all digits of numbers.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from delta_server.core.expressions import functions, values
from delta_server.core.expressions.functions import EvaluationFailed

Node: TypeAlias = dict[str, Any]
"""`{"type", "children", "value"}`, as the parser makes them."""


class Reference(msgspec.Struct, frozen=True):
    """`&expression`, as an argument of a function."""

    node: Node


class Evaluation:
    def __init__(self, steps: int) -> None:
        self._left = self._steps = steps

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise EvaluationFailed(
                f"the expression takes more than {self._steps:,} steps on this document: select a part of it first"
            )

    def value(self, node: Node, current: Any) -> Any:
        self.spend(1)
        return _RULES[node["type"]](self, node, current)

    def apply(self, expression: Reference, value: Any) -> Any:
        return self.value(expression.node, value)

    def projected(self, node: Node, elements: Iterable[Any]) -> list[Any]:
        found = [self.value(node, element) for element in elements]
        return [value for value in found if value is not None]


def is_true(value: Any) -> bool:
    """All but false, null, and empty strings, arrays and objects."""
    return not (value is None or value is False or value == "" or value == [] or value == {})


def _chain(run: Evaluation, node: Node, current: Any) -> Any:
    for child in node["children"]:
        current = run.value(child, current)
    return current


def _field(_: Evaluation, node: Node, current: Any) -> Any:
    return current.get(node["value"]) if isinstance(current, dict) else None


def _index(_: Evaluation, node: Node, current: Any) -> Any:
    at = node["value"]
    return current[at] if isinstance(current, list) and -len(current) <= at < len(current) else None


def _slice(run: Evaluation, node: Node, current: Any) -> Any:
    if not isinstance(current, list):
        return None
    part = current[slice(*node["children"])]
    run.spend(len(part))
    return part


def _projection(run: Evaluation, node: Node, current: Any) -> Any:
    base, right = node["children"]
    elements = run.value(base, current)
    return run.projected(right, elements) if isinstance(elements, list) else None


def _value_projection(run: Evaluation, node: Node, current: Any) -> Any:
    base, right = node["children"]
    members = run.value(base, current)
    return run.projected(right, members.values()) if isinstance(members, dict) else None


def _filter(run: Evaluation, node: Node, current: Any) -> Any:
    base, right, condition = node["children"]
    elements = run.value(base, current)
    if not isinstance(elements, list):
        return None
    return run.projected(right, (element for element in elements if is_true(run.value(condition, element))))


def _flatten(run: Evaluation, node: Node, current: Any) -> Any:
    elements = run.value(node["children"][0], current)
    if not isinstance(elements, list):
        return None
    run.spend(sum(len(element) if isinstance(element, list) else 1 for element in elements))
    return [part for element in elements for part in (element if isinstance(element, list) else [element])]


def _comparison(run: Evaluation, node: Node, current: Any) -> Any:
    left, right = (run.value(child, current) for child in node["children"])
    match node["value"]:
        case "eq":
            return values.equal(left, right, run.spend)
        case "ne":
            return not values.equal(left, right, run.spend)
        case "lt":
            return values.less(left, right)
        case "gt":
            return values.less(right, left)
        case "lte":
            return _negated(values.less(right, left))
        case _:
            return _negated(values.less(left, right))


def _negated(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _or(run: Evaluation, node: Node, current: Any) -> Any:
    left = run.value(node["children"][0], current)
    return left if is_true(left) else run.value(node["children"][1], current)


def _and(run: Evaluation, node: Node, current: Any) -> Any:
    left = run.value(node["children"][0], current)
    return run.value(node["children"][1], current) if is_true(left) else left


def _object(run: Evaluation, node: Node, current: Any) -> Any:
    if current is None:
        return None
    return {pair["value"]: run.value(pair["children"][0], current) for pair in node["children"]}


def _array(run: Evaluation, node: Node, current: Any) -> Any:
    return None if current is None else [run.value(child, current) for child in node["children"]]


def _function(run: Evaluation, node: Node, current: Any) -> Any:
    return functions.call(run, node["value"], [run.value(child, current) for child in node["children"]])


_RULES: dict[str, Callable[[Evaluation, Node, Any], Any]] = {
    "and_expression": _and,
    "comparator": _comparison,
    "current": lambda _, __, current: current,
    "expref": lambda _, node, __: Reference(node["children"][0]),
    "field": _field,
    "filter_projection": _filter,
    "flatten": _flatten,
    "function_expression": _function,
    "identity": lambda _, __, current: current,
    "index": _index,
    "index_expression": _chain,
    "literal": lambda _, node, __: node["value"],
    "multi_select_dict": _object,
    "multi_select_list": _array,
    "not_expression": lambda run, node, current: not is_true(run.value(node["children"][0], current)),
    "or_expression": _or,
    "pipe": _chain,
    "projection": _projection,
    "slice": _slice,
    "subexpression": _chain,
    "value_projection": _value_projection,
}
