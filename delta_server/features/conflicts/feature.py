"""What devices disagree about, and what happens then."""

from delta_server.core import times
from delta_server.features.conflicts import store
from delta_server.http.feature import Feature
from delta_server.services import Services
from delta_server.tasks.periodic import Periodic

_ROWS_AT_ONCE = 500


async def _forget_resolved(svc: Services) -> None:
    before = svc.clock.now_ms() - svc.config.sync.history_days * times.DAY_MS
    while await svc.db.write(store.delete_resolved, before, _ROWS_AT_ONCE):
        pass


FEATURE = Feature(
    name="conflicts",
    family="sync",
    tables=["sync_type", "sync_conflict"],
    periodic=[Periodic("forget resolved conflicts", _forget_resolved, every_s=3600)],
)
