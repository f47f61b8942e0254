"""A bound on a number as a query parameter has it: `count>10`, `avg_duration <= 5.5`, `count:gte:10`, `count lt 3`."""

import re
from typing import Any

from delta_server.core.errors import Invalid
from delta_server.core.nearest import quoted

_SIGNS = {">=": "gte", "<=": "lte", "!=": "is_not", "<>": "is_not", "==": "is", ">": "gt", "<": "lt", "=": "is"}
_WORDS = {**{word: word for word in ("gte", "lte", "gt", "lt", "is", "is_not")}, "eq": "is", "ne": "is_not"}
_SIGN = "|".join(map(re.escape, _SIGNS))
_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
_NUMBER = r"[-+]?[0-9]{1,38}(?:\.[0-9]{1,15})?"
_PATTERN = re.compile(rf"([^<>=!]+?)(?: *({_SIGN}) *|[ :]({_WORD})[ :])({_NUMBER})")


def parse(text: str, *, at: str) -> list[Any]:
    """As `having` of a query has it: `["gt", "count", 10]`. Raises Invalid."""
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise Invalid(f"{at} must be a bound like count>10, not {quoted(text)}", field=at)
    name, sign, word, number = match.groups()
    return [_SIGNS[sign] if sign else _WORDS[word], name.strip(), float(number) if "." in number else int(number)]
