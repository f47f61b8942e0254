"""What retention has deleted, as far as an answer is concerned: parts of its span of which nothing is left."""

from collections.abc import Iterable

from delta_server.core.event_storage import rollup_plan
from delta_server.core.event_storage.rollup_plan import EVER, WIDTHS, RollupState
from delta_server.core.query.plan import AllOf, Filter, Funnel, Paths, Retention, Span
from delta_server.core.times import LATEST_MS
from delta_server.storage.events.query.read_view import ReadView
from delta_server.storage.events.rollups import rollup_catalog

_DAYS = WIDTHS[-1]


def rollup_state(read_view: ReadView) -> RollupState:
    rows = read_view.all("SELECT rollups FROM event_settings WHERE project = ?", read_view.project)
    return rollup_catalog.decode_known(rows[0][0]) if rows else RollupState()


def expired_parts(read_view: ReadView, known: RollupState, unanswered: Iterable[Span], whole_from: int) -> list[Span]:
    """What is lost of these parts of a span, which no rollup answers and of which all events from `whole_from` on are
    there. Before the first event there ever was, nothing is."""
    if whole_from == EVER:
        return []
    first = _first_event_ms(read_view, known)
    lost = [Span(max(part.start_ms, first), min(part.end_ms, whole_from)) for part in unanswered]
    return [part for part in lost if part.start_ms < part.end_ms]


def expired_for_events(read_view: ReadView, plan: Funnel | Retention | Paths, span: Span) -> list[Span]:
    """Of a span that only events answer."""
    now = rollup_state(read_view)
    return expired_parts(read_view, now, [span], now.whole_from(_event_types(plan)))


def _first_event_ms(read_view: ReadView, known: RollupState) -> int:
    """Before, there were no events: days are kept for ever, unless retention deletes them."""
    if known.there_from(_DAYS) != EVER:
        return EVER
    files = read_view.rollups(_DAYS.ms, 0)
    return files[0].first_at if files else LATEST_MS


def _event_types(plan: Funnel | Retention | Paths) -> frozenset[str] | None:
    """The only types it is about, None for all."""
    match plan:
        case Funnel():
            asked: list[Filter | None] = [step.where for step in plan.steps]
        case Retention():
            asked = [plan.start, plan.again]
        case _:
            asked = [None]
    found: set[str] = set()
    for one in asked:
        types = rollup_plan.types(AllOf(tuple(part for part in (plan.where, one) if part is not None)))
        if types is None:
            return None
        found |= types
    return frozenset(found)
