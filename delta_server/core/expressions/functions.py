"""The functions of JMESPath (jmespath.org/specification.html), each at a price: what it walks through are steps."""

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR
from typing import Any, Protocol

import msgspec

from delta_server.core.errors import BadRequest, Invalid
from delta_server.core.expressions import values


class EvaluationFailed(Invalid):
    """The expression is one, and has no value for this document."""


class Run(Protocol):
    """What functions ask of the evaluation that calls them."""

    def spend(self, steps: int) -> None: ...

    def apply(self, expression: Any, value: Any) -> Any:
        """The value of `&expression`, an argument, for one element."""


class Function(msgspec.Struct, frozen=True):
    """`parameters` are the types that each argument may have; the last stands for any more where it is `variadic`."""

    call: Callable[..., Any]
    parameters: tuple[str, ...]
    variadic: bool = False

    def parameter(self, at: int) -> str:
        return self.parameters[min(at, len(self.parameters) - 1)]


def call(run: Run, name: str, arguments: list[Any]) -> Any:
    """Raises EvaluationFailed for arguments of other types."""
    function = FUNCTIONS[name]
    for at, argument in enumerate(arguments):
        _check(run, name, argument, function.parameter(at))
    return function.call(run, *arguments)


def _check(run: Run, name: str, argument: Any, allowed: str) -> None:
    kind = values.type_of(argument)
    if kind == "string":
        run.spend(len(argument) // values.CHARACTERS_A_STEP)
    elif kind in ("array", "object"):
        run.spend(len(argument))
    if kind == "array" and "[" in allowed:
        kinds = {values.type_of(element) for element in argument}
        if len(kinds) <= 1 and all(f"array[{element}]" in allowed for element in kinds):
            return
        kind = f"an array of {' and '.join(sorted(kinds))}"
    elif allowed == "any" or kind in allowed.split("|"):
        return
    wanted = allowed.replace("|", " or ").replace("[", " of ").replace("]", "")
    raise EvaluationFailed(f"{name}() takes {wanted}, and was given {kind}")


def _contains(run: Run, subject: Any, part: Any) -> bool:
    if isinstance(subject, str):
        return isinstance(part, str) and part in subject
    return any(values.equal(element, part, run.spend) for element in subject)


def _join(run: Run, glue: str, parts: list[str]) -> str:
    run.spend((sum(map(len, parts)) + len(glue) * len(parts)) // values.CHARACTERS_A_STEP)
    return glue.join(parts)


def _merge(_: Run, *objects: dict[str, Any]) -> dict[str, Any]:
    return {name: value for each in objects for name, value in each.items()}


def _not_null(_: Run, *arguments: Any) -> Any:
    return next((argument for argument in arguments if argument is not None), None)


def _to_number(_: Run, value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = values.read(value.encode())
        except BadRequest:
            return None
    return value if values.type_of(value) == "number" else None


def _to_string(run: Run, value: Any) -> str:
    if isinstance(value, str):
        return value
    values.measure(value, run.spend)
    return values.write(value).decode()


def _rank(run: Run, name: str, elements: list[Any], expression: Any) -> list[tuple[Any, int]]:
    """What each is ordered by, with its place."""
    keys = elements if expression is None else [run.apply(expression, element) for element in elements]
    kinds = {values.type_of(key) for key in keys}
    if len(kinds) > 1 or kinds - {"number", "string"}:
        raise EvaluationFailed(f"{name}() orders numbers or strings, and was given {' and '.join(sorted(kinds))}")
    run.spend(len(keys) * len(keys).bit_length())
    return [(key if isinstance(key, str) else values.exact(key), at) for at, key in enumerate(keys)]


def _sort(name: str) -> Callable[..., Any]:
    def sort(run: Run, elements: list[Any], expression: Any = None) -> list[Any]:
        return [elements[at] for _, at in sorted(_rank(run, name, elements, expression))]

    return sort


def _least(name: str) -> Callable[..., Any]:
    def least(run: Run, elements: list[Any], expression: Any = None) -> Any:
        ranks = _rank(run, name, elements, expression)
        return elements[min(ranks)[1]] if ranks else None

    return least


def _greatest(name: str) -> Callable[..., Any]:
    def greatest(run: Run, elements: list[Any], expression: Any = None) -> Any:
        ranks = _rank(run, name, elements, expression)
        return elements[max(ranks, key=lambda rank: rank[0])[1]] if ranks else None

    return greatest


_ORDERED = "array[number]|array[string]"
FUNCTIONS = {
    "abs": Function(lambda _, number: abs(values.exact(number)), ("number",)),
    "avg": Function(lambda _, numbers: values.mean(numbers) if numbers else None, ("array[number]",)),
    "ceil": Function(lambda _, number: values.rounded(number, ROUND_CEILING), ("number",)),
    "contains": Function(_contains, ("array|string", "any")),
    "ends_with": Function(lambda _, text, end: text.endswith(end), ("string", "string")),
    "floor": Function(lambda _, number: values.rounded(number, ROUND_FLOOR), ("number",)),
    "join": Function(_join, ("string", "array[string]")),
    "keys": Function(lambda _, value: list(value), ("object",)),
    "length": Function(lambda _, value: len(value), ("string|array|object",)),
    "map": Function(
        lambda run, fn, elements: [run.apply(fn, element) for element in elements], ("expression", "array")
    ),
    "max": Function(_greatest("max"), (_ORDERED,)),
    "max_by": Function(_greatest("max_by"), ("array", "expression")),
    "merge": Function(_merge, ("object",), variadic=True),
    "min": Function(_least("min"), (_ORDERED,)),
    "min_by": Function(_least("min_by"), ("array", "expression")),
    "not_null": Function(_not_null, ("any",), variadic=True),
    "reverse": Function(lambda _, value: value[::-1], ("string|array",)),
    "sort": Function(_sort("sort"), (_ORDERED,)),
    "sort_by": Function(_sort("sort_by"), ("array", "expression")),
    "starts_with": Function(lambda _, text, start: text.startswith(start), ("string", "string")),
    "sum": Function(lambda _, numbers: values.total(numbers), ("array[number]",)),
    "to_array": Function(lambda _, value: value if isinstance(value, list) else [value], ("any",)),
    "to_number": Function(_to_number, ("any",)),
    "to_string": Function(_to_string, ("any",)),
    "type": Function(lambda _, value: values.type_of(value), ("any",)),
    "values": Function(lambda _, value: list(value.values()), ("object",)),
}
