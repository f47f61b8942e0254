"""How changes of records are committed, whoever makes them."""

import asyncio
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar, cast

from delta_server.features.sync import epochs, spaces
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.writing import Limits
from delta_server.features.usage import service as usage
from delta_server.services import Services
from delta_server.storage.database import Tx

P = ParamSpec("P")
T = TypeVar("T")


class Unchanged(Exception):
    """Raised in a transaction that changes nothing, to undo what it made on the way; `answer` is still its answer."""

    def __init__(self, answer: object) -> None:
        self.answer = answer


def limits_of(svc: Services, whose: Whose) -> Limits:
    options = svc.config.sync
    of_space = (options.records, options.space_bytes, options.devices, options.types)
    return Limits(*of_space, whose.project, svc.config.plans)


async def commit(
    svc: Services, whose: Whose, fn: Callable[Concatenate[Tx, Whose, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """What `fn(tx, whose, ...)` returns once it is on disk, or raises in Unchanged. Then others hear of it, also when
    the caller has left: the writer goes on without it."""
    writing = asyncio.ensure_future(svc.db.write(fn, whose, *args, **kwargs))

    def written(task: asyncio.Future[T]) -> None:
        if not task.cancelled():
            task.exception()  # seen, for its caller may have left
        spaces.tell(svc, whose)

    writing.add_done_callback(written)
    try:
        async with usage.reporting_exceeded(svc, whose.project):
            result = await asyncio.shield(writing)
    except Unchanged as unchanged:
        return cast("T", unchanged.answer)
    await epochs.mark_in_time(svc)
    return result
