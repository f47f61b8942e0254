"""What a user's traits were before: read out of the identify calls among their events, a page at a time."""

from collections.abc import Sequence
from typing import Any

from delta_server.core.events import trait_history
from delta_server.core.events.trait_history import IdentifyCall, TraitsChanged
from delta_server.core.query.plan import AllOf, Condition, Field, Listing, OfPerson
from delta_server.features.profiles import service
from delta_server.features.profiles.service import ALL_TIME, EVENT_TYPE
from delta_server.services import Services

CALLS_AT_ONCE = 500
LOOKED_BEHIND = 100
"""Of these, where there are older ones: they say what a trait was before."""
_IDENTIFY = (
    Condition("is", EVENT_TYPE, ("identify",)),
    Condition("is", Field("metadata.callType", "metadata", "json", ("callType",)), ("identify",)),
)


async def page(
    svc: Services, project: int, name: str, *, after: tuple[int, int] | None, limit: int
) -> tuple[list[TraitsChanged], tuple[int, int] | None]:
    """The newest first, and where the next page begins. Raises NotFound."""
    person = await svc.db.read(service.person, project, name, as_user=await service.is_user(svc, project, name))
    where = AllOf((OfPerson(person.ids.users, person.ids.anonymous), *_IDENTIFY))
    listing = Listing(ALL_TIME, where, after=after, limit=CALLS_AT_ONCE + 1)
    answer = await svc.event_reader.run_query(project, listing)
    if not answer.rows and person.profile is None:
        await service.get_user(svc, project, name)  # who is known by other events has no traits, and no history of them
    return await svc.spare_cpu(_page, answer.columns, answer.rows, limit)


def _page(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], limit: int
) -> tuple[list[TraitsChanged], tuple[int, int] | None]:
    at, seq, message_id, data = (columns.index(name) for name in ("time_ms", "seq", "message_id", "data"))
    calls = [IdentifyCall(row[at], row[seq], row[message_id], row[data] or "{}") for row in rows]
    return trait_history.page(calls, most=CALLS_AT_ONCE, behind=LOOKED_BEHIND, limit=limit)
