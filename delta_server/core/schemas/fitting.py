"""Documents against a JSON Schema: every place that does not fit."""

from collections.abc import Sequence
from itertools import islice

import msgspec

from delta_server.core.errors import BadRequest
from delta_server.core.json import json_text, pointer, surrogates
from delta_server.core.sync import record_schema

MOST_MISFITS = 50
_LONGEST = 300


class Misfit(msgspec.Struct, frozen=True):
    """`path` is a JSON Pointer."""

    path: str
    reason: str


def misfits_of(text: str, documents: Sequence[bytes]) -> list[list[Misfit]]:
    """The first MOST_MISFITS of each. One that is not JSON has none: it is refused elsewhere."""
    validator = record_schema.validator(text, with_formats=True)
    found: list[list[Misfit]] = []
    for document in documents:
        try:
            json_text.check_document(document)
            errors = validator.iter_errors(msgspec.json.decode(surrogates.hide(document)))
            found.append([_misfit(error) for error in islice(errors, MOST_MISFITS)])
        except BadRequest:
            found.append([])
        except (ValueError, msgspec.DecodeError):
            found.append([Misfit("", "it has a number or a depth that cannot be checked")])
    return found


def _misfit(error: Exception) -> Misfit:
    steps: Sequence[str | int] = getattr(error, "instance_path", ())
    message = str(getattr(error, "message", error))
    return Misfit("".join(f"/{pointer.escape(str(step))}" for step in steps), message[:_LONGEST])
