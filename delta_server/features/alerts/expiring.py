"""Periodic: alerts that cleared are kept for `alerts.retention_days`."""

from delta_server.core import times
from delta_server.features.alerts import store
from delta_server.services import Services

AT_ONCE = 500


async def expire(svc: Services) -> None:
    days = svc.config.alerts.retention_days
    if days:
        before_ms = svc.clock.now_ms() - round(days * times.DAY_MS)
        while await svc.db.write(store.delete_cleared_before, before_ms, AT_ONCE):
            pass
