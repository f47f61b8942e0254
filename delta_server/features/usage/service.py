"""What a project's plan allows and what it has used of it.

Whoever stores something for a project asks its `Allowance` in the same transaction, before it writes: so the limits
hold however many ask at once. What waits for the next hour or month is 429 with Retry-After; what needs a larger plan,
or something to be deleted, is 402. Reading and deleting ask nobody.
"""

from typing import Literal

import msgspec

from delta_server.config.plans import PLAN_ROWS, UNLIMITED, Plan, Plans
from delta_server.core import plan_windows, times
from delta_server.core.caller import Caller
from delta_server.core.errors import Quota, QuotaExceeded
from delta_server.features.polling import service as polling
from delta_server.features.projects import service as projects
from delta_server.features.usage import store
from delta_server.features.usage.happenings import reporting_exceeded as reporting_exceeded
from delta_server.features.usage.store import Counters, Occupied, Usage, UsedHour
from delta_server.features.usage.store import of_endpoint as of_endpoint
from delta_server.features.usage.store import of_endpoints as of_endpoints
from delta_server.services import Services
from delta_server.storage.companions import AdmitEvents
from delta_server.storage.database import Tx

Interval = Literal["hour", "day"]

SNAPSHOT_BYTES = 180
"""What the rows of a snapshot and its content take, beside frame, metadata and source."""
_WORDS = {
    "snapshots_per_hour": "snapshots an hour",
    "storage_bytes": "bytes of storage",
    "endpoints": "endpoints",
    "events_per_month": "events a month",
    "polls": "endpoints that are polled",
    "sync_records": "synced records",
    "webhooks": "webhooks",
}
_DELETE_OR_GROW = {
    "storage_bytes": "delete some of it, or have the project's plan changed",
    "endpoints": "delete one, or have the project's plan changed",
    "polls": "switch polling off for one, or have the project's plan changed",
    "sync_records": "delete some, or have the project's plan changed",
    "webhooks": "delete one, or have the project's plan changed",
}


class UsageNow(msgspec.Struct, frozen=True):
    """`occupied` is None until what was there before is counted."""

    usage: Usage
    plan: str
    quotas: list[Quota]
    occupied: Occupied | None


class Needs(msgspec.Struct, frozen=True):
    """What is to be stored."""

    endpoints: int = 0
    storage_bytes: int = 0
    snapshots: int = 0
    events: int = 0
    sync_records: int = 0
    webhooks: int = 0


ONE_ENDPOINT = Needs(endpoints=1)
ONE_WEBHOOK = Needs(webhooks=1)


class Allowance:
    """What is left to a project within a transaction. What is taken stays taken: the caller stores it then or fails."""

    __slots__ = ("_now_ms", "_plan", "_plan_name", "_used")

    def __init__(self, plan_name: str, plan: Plan, used: dict[str, int], now_ms: int) -> None:
        self._plan_name, self._plan, self._used, self._now_ms = plan_name, plan, used, now_ms

    def check(self, needs: Needs) -> None:
        """Raises QuotaExceeded for what is not left."""
        for row, wanted in _rows(needs):
            limit: int | None = getattr(self._plan, row)
            if wanted and limit is not None and row in self._used and self._used[row] + wanted > limit:
                raise _exceeded(self._plan_name, row, self._used[row], wanted, limit, self._now_ms)

    @property
    def storage_left(self) -> int | None:
        """Bytes; None where nothing limits them."""
        limit, used = self._plan.storage_bytes, self._used.get("storage_bytes")
        return None if limit is None or used is None else max(0, limit - used)

    def take(self, needs: Needs) -> None:
        """All of it or nothing. Raises QuotaExceeded."""
        self.check(needs)
        for row, wanted in _rows(needs):
            if row in self._used:
                self._used[row] += wanted


def allowance(tx: Tx, plans: Plans, project: int) -> Allowance:
    """What the project may still store. It costs 4 us, and 10 where the plan has limits."""
    name = store.plan_of(tx, project) or UNLIMITED
    plan = plans.named(name)
    counters = None if plan == _NO_LIMITS else store.counters(tx, project)
    return Allowance(name, plan, {} if counters is None else _used(counters), tx.now_ms)


_NO_LIMITS = Plan()


def add_snapshots(tx: Tx, project: int, count: int) -> None:
    """Count snapshots that a request stored: everything else counts itself."""
    if count:
        store.add_snapshots(tx, project, count)


def check_polls(tx: Tx, plans: Plans, project: int) -> None:
    """Raises QuotaExceeded when more endpoints are polled than the plan allows."""
    name = store.plan_of(tx, project) or UNLIMITED
    limit, used = plans.named(name).polls, polling.count(tx, project)
    if limit is not None and used > limit:
        raise _exceeded(name, "polls", used - 1, 1, limit, tx.now_ms)


def admission(plans: Plans) -> AdmitEvents:
    """For the event log, which asks in the transaction that stores the events."""

    def admit(tx: Tx, project: int, events: int, size_bytes: int) -> None:
        allowance(tx, plans, project).take(Needs(events=events, storage_bytes=size_bytes))

    return admit


async def usage_now(svc: Services, caller: Caller, text: str) -> UsageNow:
    """Raises NotFound."""
    project = projects.get_project(svc, caller, text)
    plan = svc.config.plans.named(project.plan)
    counters = svc.db.peek(store.counters, project.id)
    used = {"polls": svc.db.peek(polling.count, project.id)} | ({} if counters is None else _used(counters))
    now_ms = svc.clock.now_ms()
    quotas = [Quota(row, used.get(row), getattr(plan, row), _resets_at(row, now_ms)) for row in PLAN_ROWS]
    if counters is None or not counters.is_counted:
        return UsageNow(await svc.db.read(store.scanned_usage, project.id), project.plan, quotas, None)
    return UsageNow(counters.usage, project.plan, quotas, counters.occupied)


async def history(
    svc: Services, caller: Caller, text: str, interval: Interval, span: tuple[int, int], limit: int
) -> list[UsedHour]:
    """Rows of hours or days in which something was stored or deleted, the newest first, up to `limit`. Raises
    NotFound."""
    project = projects.get_project(svc, caller, text)
    return await svc.db.read(store.hours if interval == "hour" else store.days, project.id, span, limit)


def _rows(needs: Needs) -> tuple[tuple[str, int], ...]:
    """What needs a larger plan comes first: waiting would be no use."""
    return (
        ("endpoints", needs.endpoints),
        ("storage_bytes", needs.storage_bytes),
        ("sync_records", needs.sync_records),
        ("webhooks", needs.webhooks),
        ("snapshots_per_hour", needs.snapshots),
        ("events_per_month", needs.events),
    )


def _used(counters: Counters) -> dict[str, int]:
    """Storage, endpoints, records and webhooks have no use until they are counted."""
    used = {
        "snapshots_per_hour": counters.hour_snapshots,
        "events_per_month": counters.month_events,
    }
    if counters.is_counted:
        used |= {
            "storage_bytes": counters.occupied.total,
            "endpoints": counters.usage.endpoints,
            "sync_records": counters.sync_records,
            "webhooks": counters.webhooks,
        }
    return used


def _resets_at(row: str, now_ms: int) -> str | None:
    if row == "snapshots_per_hour":
        return times.format(plan_windows.hour(now_ms) + plan_windows.HOUR_MS)
    return times.format(plan_windows.next_month(now_ms)) if row == "events_per_month" else None


def _exceeded(plan: str, row: str, used: int, wanted: int, limit: int, now_ms: int) -> QuotaExceeded:
    resets_at = _resets_at(row, now_ms)
    quota = Quota(row, used, limit, resets_at)
    has = f"the plan {plan} allows {limit} {_WORDS[row]}, of which {used} are used, and this needs {wanted} more"
    if resets_at is None:
        return QuotaExceeded(f"{has}: {_DELETE_OR_GROW[row]}", quota)
    if wanted > limit:
        return QuotaExceeded(f"{has}, which never fits: send less at once, or have the project's plan changed", quota)
    ends_ms = times.parse(resets_at, field="resets_at")
    return QuotaExceeded(
        f"{has}: the count begins again at {resets_at}", quota, retry_after_s=max(1, -((now_ms - ends_ms) // 1000))
    )
