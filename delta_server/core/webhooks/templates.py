"""Templates of a body: text with `{{ JMESPath }}` in it, over the message. A closed grammar: nothing but the message
can be reached, and work and size are bounded.

In a template that begins with { or [ the body is JSON: between quotes a value becomes the inside of a string, elsewhere
JSON. Otherwise it is plain text.
"""

import re
from typing import Any

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.expressions import values
from delta_server.core.expressions.expression import Expression

MAX_CHARS = 10_000
MOST_VALUES = 20
VALUE_STEPS = 5_000
MAX_BODY_BYTES = 64 << 10
_JSON = re.compile(r"\s*(?:\[|\{(?!\{))")
_VALUE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def is_json(template: str) -> bool:
    return bool(_JSON.match(template))


def check(template: str) -> str:
    """Raises Invalid, with what is wrong."""
    if not template.strip() or len(template) > MAX_CHARS:
        raise Invalid(f"template must have 1 to {MAX_CHARS:,} characters", field="template")
    found = _VALUE.findall(template)
    if len(found) > MOST_VALUES:
        raise Invalid(f"template may have {MOST_VALUES} values at most", field="template")
    for text in found:
        Expression(text.strip(), field="template")
    if is_json(template):
        try:
            msgspec.json.decode(render(template, b"{}"))
        except msgspec.DecodeError as error:
            raise Invalid(f"template is not JSON when its values are put in: {error}", field="template") from None
    return template


def render(template: str, message: bytes) -> bytes:
    """What cannot be evaluated is left empty, in JSON null."""
    document = values.read(message)
    as_json = is_json(template)
    parts: list[str] = []
    quotes = end = 0
    for match in _VALUE.finditer(template):
        before = template[end : match.start()]
        quotes += _quotes(before)
        parts += [before, _text(_value(match[1].strip(), document), as_json=as_json, in_quotes=quotes % 2 == 1)]
        end = match.end()
    body = "".join([*parts, template[end:]]).encode("utf-8", "replace")
    if len(body) > MAX_BODY_BYTES:
        raise Invalid(f"the body has {len(body):,} bytes, and at most {MAX_BODY_BYTES:,} are allowed", field="template")
    return body


def _quotes(text: str) -> int:
    return len(re.findall(r'(?<!\\)(?:\\\\)*"', text))


def _value(expression: str, document: Any) -> Any:
    try:
        return Expression(expression).value(document, max_steps=VALUE_STEPS)
    except Invalid:
        return None


def _text(value: Any, *, as_json: bool, in_quotes: bool) -> str:
    written = values.write(value).decode()
    if as_json and not in_quotes:
        return written
    text = "" if value is None else value if isinstance(value, str) else written
    return msgspec.json.encode(text).decode()[1:-1] if as_json else text
