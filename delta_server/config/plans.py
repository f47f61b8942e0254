"""Plans: what projects may store. Tables of the configuration file, the operator's own beside those that are shipped.

Each row of a table is an option, `plans.NAME.ROW`; None is "unlimited". A shipped plan keeps the rows that are not
given; those of another plan are unlimited.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

PLAN_ROWS = (
    "snapshots_per_hour",
    "storage_bytes",
    "endpoints",
    "events_per_month",
    "sync_records",
    "polls",
    "webhooks",
)
MOST = 1 << 53
"""What a row may be at most: every number up to here is exact in JSON too."""
_OPTION = re.compile(rf"plans\.(?P<plan>[a-z0-9][a-z0-9_-]{{0,39}})\.(?P<row>{'|'.join(PLAN_ROWS)})")


class Plan(msgspec.Struct, frozen=True):
    """None is unlimited."""

    snapshots_per_hour: int | None = None
    storage_bytes: int | None = None
    endpoints: int | None = None
    events_per_month: int | None = None
    sync_records: int | None = None
    polls: int | None = None
    webhooks: int | None = None


UNLIMITED = "enterprise"
SHIPPED: Mapping[str, Plan] = MappingProxyType(
    {
        "free": Plan(100, 100 * 10**6, 5, 100_000, 10_000, 5, 5),
        "pro": Plan(1000, 10 * 10**9, 100, 10_000_000, 1_000_000, 100, 100),
        UNLIMITED: Plan(),
    }
)


class Plans(msgspec.Struct, frozen=True):
    default: str = "free"
    tables: Mapping[str, Plan] = SHIPPED

    def named(self, name: str) -> Plan:
        """The plan of a project. One that the configuration has no more is the default."""
        return self.tables.get(name) or self.tables[self.default]


def is_option(name: str) -> bool:
    return _OPTION.fullmatch(name) is not None


def with_rows(given: Mapping[str, int | None]) -> Mapping[str, Plan]:
    """All plans, from the values of options `plans.NAME.ROW`."""
    tables = dict(SHIPPED)
    for name, value in given.items():
        _, plan, row = name.split(".")
        tables[plan] = msgspec.structs.replace(tables.get(plan, Plan()), **{row: value})
    return MappingProxyType(tables)


def rows_of(plans: Plans) -> Iterator[tuple[str, Any]]:
    """(option, value) of every row of every plan."""
    for name, plan in plans.tables.items():
        yield from ((f"plans.{name}.{row}", getattr(plan, row)) for row in PLAN_ROWS)
