"""Records against the JSON Schema of their data type, before the one writer sees them."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from delta_server.core.errors import Invalid, TooCostly
from delta_server.core.sync import record_schema
from delta_server.core.sync.changes import Prepared
from delta_server.core.sync.judging import JSON
from delta_server.features.conflicts import service as conflicts
from delta_server.services import Services

T = TypeVar("T")

CODE = "SCHEMA_MISMATCH"
MOST_S = 20.0


def require(changes: Sequence[Prepared]) -> None:
    """For clients that know no refusal of single changes. Raises Invalid for the first of them."""
    for change in changes:
        if change.refusal is not None:
            raise Invalid(f"{change.record_id}: {change.refusal[1]}")


async def one(svc: Services, project: int, data_type: str, new: Prepared) -> Prepared:
    """Raises Invalid when it does not fit, or is too large."""
    if len(new.content or b"") > svc.config.sync.record_bytes:
        raise Invalid(f"a record has at most sync.record_bytes = {svc.config.sync.record_bytes} bytes", field="data")
    [found] = await checked(svc, project, data_type, [new])
    if found.refusal is not None:
        raise Invalid(found.refusal[1], field="data")
    return found


async def checked(svc: Services, project: int, data_type: str, changes: Sequence[Prepared]) -> Sequence[Prepared]:
    """The changes, those that do not fit with a refusal. What is encrypted is not looked at. Raises TooCostly."""
    schema = svc.db.peek(conflicts.schema_of, project, data_type)
    if schema is None:
        return changes
    contents = [change.content if change.kind == JSON and change.refusal is None else None for change in changes]
    is_quick = record_schema.is_quick(schema, [len(content or b"") for content in contents])
    threads = svc.cpu if is_quick else svc.processes
    found = await in_time(threads(record_schema.refusals, schema, contents))
    return [judged(change, said) for change, said in zip(changes, found, strict=True)]


def judged(change: Prepared, said: str | None) -> Prepared:
    """`said` is why it does not fit, None when it does."""
    return change if said is None else replace(change, refusal=(CODE, f"the record does not fit its schema: {said}"))


async def in_time(checks: Awaitable[T]) -> T:
    """Raises TooCostly."""
    try:
        return await asyncio.wait_for(checks, MOST_S)
    except TimeoutError:
        raise TooCostly("checking these records against their schema takes too long: push fewer at once") from None
