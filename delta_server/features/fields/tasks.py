"""Background work on the index of fields."""

from delta_server.features.fields import store
from delta_server.services import Services

ROWS_AT_ONCE = 500


async def compact(svc: Services) -> None:
    """Make chunks of single times, which is what rows were before there were chunks: from the first row to the last."""
    after: tuple[int, int] | None = (0, 0)
    while after is not None:
        is_wanted, following = await svc.db.read(store.find_single_times, after, ROWS_AT_ONCE)
        if is_wanted:
            await svc.db.write(store.compact, after, ROWS_AT_ONCE)
        after = following
