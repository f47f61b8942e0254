"""What a rule remembers of the history before it was made: how high or low a number was, and the last numbers."""

import time

import msgspec

from delta_server.core.alerts import rules
from delta_server.core.alerts.judging import MOST_RECENT, Memory
from delta_server.core.alerts.rules import Rule
from delta_server.core.errors import DeltaError
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.alerts import metrics, trying
from delta_server.features.endpoints.service import EndpointRef
from delta_server.services import Services

RECENT_S = 1.0
"""So long it reads the last numbers, which are only to be looked at."""


async def seed(svc: Services, of: EndpointRef | int, rule: Rule) -> Memory:
    """Of an endpoint, or of a project's events."""
    if rule.kind == "anomaly":
        return Memory()
    project = of if isinstance(of, int) else of.project
    async with svc.fair_cpu.turn(project, kind="a new rule") as thread:
        svc = msgspec.structs.replace(svc, spare_cpu=thread)
        if rule.kind in ("high", "low") and not isinstance(of, int):
            ends_at = time.monotonic() + trying.TRY_S
            tried = await trying.on_endpoint(svc, of, rule, TimelineSpan(), (), ends_at=ends_at)
            return Memory(extreme=tried.own.memory.extreme, recent=tried.own.values[-MOST_RECENT:])
        try:
            return Memory(recent=await _recent(svc, of, rule))
        except DeltaError:  # it can be judged without
            return Memory()


async def _recent(svc: Services, of: EndpointRef | int, rule: Rule) -> list[float | None]:
    if rule.kind == "silence":
        return []
    if isinstance(of, int):
        end_ms = metrics.last_end(rule, svc.clock.now_ms())
        span = TimelineSpan(from_ms=end_ms - MOST_RECENT * metrics.length_ms(rule), to_ms=end_ms)
        found = await trying.on_events(svc, of, rule, span, ())
        return found.own.values
    ends_at = time.monotonic() + RECENT_S
    tried = await trying.on_endpoint(svc, of, rule, TimelineSpan(), (), ends_at=ends_at, most=MOST_RECENT)
    is_judged_again = rule.kind in rules.LASTING
    return tried.own.values[:-1] if is_judged_again else tried.own.values
