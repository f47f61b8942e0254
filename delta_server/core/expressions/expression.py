"""JMESPath (jmespath.org) over JSON, as transform (document to document) and as condition (document to true or false).

A closed grammar: no access to anything but the document, no loops, no recursion. It is checked and compiled when it is
saved, with the place of what is wrong, and bounded when it is evaluated. What takes an expression as text may be called
in another process; evaluating takes up to a second, in Python: callers run it on a thread, or apart.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from jmespath.exceptions import IncompleteExpressionError, JMESPathError, LexerError, ParseError
from jmespath.parser import Parser

from delta_server.core.errors import Invalid
from delta_server.core.expressions import values
from delta_server.core.expressions.evaluation import Evaluation, Node, is_true
from delta_server.core.expressions.functions import FUNCTIONS, EvaluationFailed
from delta_server.core.json.json_text import MAX_DEPTH
from delta_server.core.nearest import did_you_mean

MAX_CHARS = 4096
MAX_NODES = 1000
MAX_NESTING = 100
MAX_STEPS = 1_000_000
MAX_RESULT_BYTES = 64 << 20
_CACHED = 128


class Expression:
    """`text` is JMESPath; raises Invalid."""

    def __init__(self, text: str, *, field: str = "expression") -> None:
        self.text = text
        self._root = _compiled(text, field)

    def value(self, document: Any, *, max_steps: int = MAX_STEPS) -> Any:
        """For what `values.read` made of a document, or other decoded JSON. Raises EvaluationFailed."""
        evaluation = Evaluation(max_steps)
        found = evaluation.value(self._root, document)
        if values.measure(found, evaluation.spend) > MAX_DEPTH:
            raise EvaluationFailed(f"the result is nested more than {MAX_DEPTH} levels deep")
        return found

    def is_there(self, document: Any) -> bool:
        """Whether names that lead into one another, such as `meta.next`, are all in it, up to one whose value is null;
        of other expressions, whether they find anything. Raises EvaluationFailed."""
        steps = self._root["children"] if self._root["type"] == "subexpression" else [self._root]
        if any(step["type"] != "field" for step in steps):
            return self.value(document) is not None
        for step in steps:
            if document is None:
                return True
            if not isinstance(document, dict) or step["value"] not in document:
                return False
            document = document[step["value"]]
        return True

    def is_true(self, document: Any, *, max_steps: int = MAX_STEPS) -> bool:
        """As JMESPath has it: all but false, null, and what is empty. Raises EvaluationFailed."""
        return is_true(Evaluation(max_steps).value(self._root, document))


def transform(text: str, document: bytes, *, max_bytes: int = MAX_RESULT_BYTES, max_steps: int = MAX_STEPS) -> bytes:
    """The expression's value for a document, as JSON. Raises Invalid, EvaluationFailed, BadRequest for the document."""
    try:
        result = values.write(Expression(text).value(values.read(document), max_steps=max_steps))
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        raise EvaluationFailed("the result has a number with thousands of digits") from None
    if len(result) > max_bytes:
        raise EvaluationFailed(f"the result has {len(result):,} bytes, and at most {max_bytes:,} are allowed")
    return result


def holds(text: str, document: bytes, *, max_steps: int = MAX_STEPS) -> bool:
    """Whether the expression is true of a document. Raises as `transform`."""
    return Expression(text).is_true(values.read(document), max_steps=max_steps)


def _compiled(text: str, field: str) -> Node:
    try:
        return _parsed(text)
    except _Wrong as wrong:
        raise Invalid(f"{field} is not JMESPath: {wrong}", field=field) from None


class _Wrong(ValueError):
    pass


@lru_cache(_CACHED)
def _parsed(text: str) -> Node:
    if not text.strip():
        raise _Wrong("it is empty; @ is the whole document")
    if len(text) > MAX_CHARS:
        raise _Wrong(f"it has {len(text):,} characters, and at most {MAX_CHARS:,} are allowed")
    try:
        root: Node = Parser().parse(text).parsed
    except RecursionError:
        raise _too_deep() from None
    except JMESPathError as error:
        raise _Wrong(_reason(error, text)) from None
    finally:
        Parser.purge()  # it keeps 512 by itself
    for count, (node, depth, parameter) in enumerate(_nodes(root)):
        if depth > MAX_NESTING:
            raise _too_deep()
        if count >= MAX_NODES:
            raise _Wrong(f"it has more than {MAX_NODES:,} parts")
        _check(node, parameter)
    return root


def _too_deep() -> _Wrong:
    return _Wrong(f"it is nested more than {MAX_NESTING} levels deep")


def _reason(error: JMESPathError, text: str) -> str:
    if isinstance(error, IncompleteExpressionError):
        return "it ends too early"
    if isinstance(error, LexerError):
        return f"{error.message[:80].lower()} (character {error.lexer_position + 1})"
    if isinstance(error, ParseError):
        found = str(error.token_value)[:40]
        return f"{found} is not expected there (character {error.lex_position + 1})" if found else "it ends too early"
    return str(error)[:80]


def _nodes(root: Node) -> Iterator[tuple[Node, int, str]]:
    """Each with its depth and, of an argument of a function, the types that the function takes there."""
    waiting = [(root, 1, "any")]
    while waiting:
        node, depth, parameter = waiting.pop()
        yield node, depth, parameter
        called = FUNCTIONS[node["value"]] if node["type"] == "function_expression" else None
        if node["type"] != "slice":
            waiting += [
                (child, depth + 1, called.parameter(at) if called else "any")
                for at, child in enumerate(node["children"])
            ]


def _check(node: Node, parameter: str) -> None:
    """What the parser leaves to its interpreter."""
    kind, children = node["type"], node["children"]
    if (kind == "expref") != (parameter == "expression"):
        raise _Wrong("&expression is what map, max_by, min_by and sort_by take, as in sort_by(@, &time), and no others")
    if kind == "function_expression":
        _check_call(node["value"], len(children))
    elif kind == "slice" and children[2] == 0:
        raise _Wrong("the step of a slice must not be 0")
    elif kind in ("field", "key_val_pair", "literal"):
        node["value"] = _as_documents_have_it(node["value"])


def _check_call(name: str, given: int) -> None:
    function = FUNCTIONS.get(name)
    if function is None:
        raise _Wrong(f"{name}() is not a function of JMESPath{did_you_mean(name, FUNCTIONS)}")
    wanted = len(function.parameters)
    if given < wanted or (given > wanted and not function.variadic):
        more = " or more" if function.variadic else ""
        raise _Wrong(
            f"{name}() takes {wanted}{more} argument{'s' if wanted > 1 or more else ''}, and was given {given}"
        )


def _as_documents_have_it(value: Any) -> Any:
    """Numbers exact, halves of surrogate pairs hidden."""
    try:
        return values.read(json.dumps(value, allow_nan=False).encode())
    except ValueError:
        raise _Wrong("NaN and Infinity are not numbers of JSON") from None
