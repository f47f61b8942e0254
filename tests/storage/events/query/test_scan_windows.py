from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.query.plan import Span
from delta_server.storage.events.query.scan_windows import EventDensity, scan_windows

times = st.integers(-1000, 1000)
stretches = st.lists(
    st.builds(lambda a, b, n: EventDensity(min(a, b), max(a, b), n), times, times, st.integers(1, 10**6)), max_size=6
)
spans = st.tuples(times, times).map(lambda pair: Span(min(pair), max(pair)))


@given(
    span=spans, found=stretches, events=st.integers(1, 10**6), ascending=st.booleans(), growth=st.sampled_from([1, 16])
)
def test_windows_follow_each_other_and_leave_nothing_out(
    span: Span, found: list[EventDensity], events: int, ascending: bool, growth: int
):
    cut = list(scan_windows(span, found, events, ascending=ascending, growth=growth))
    ordered = cut if ascending else cut[::-1]
    assert all(window.start_ms < window.end_ms for window in ordered)
    assert all(one.end_ms == next.start_ms for one, next in pairwise(ordered))
    reached = [
        (max(each.first_at, span.start_ms), min(each.last_at + 1, span.end_ms))
        for each in found
        if each.first_at < span.end_ms and each.last_at >= span.start_ms
    ]
    reached = [(start, end) for start, end in reached if start < end]
    if reached:
        assert ordered[0].start_ms == min(start for start, _ in reached)
        assert ordered[-1].end_ms == max(end for _, end in reached)
    else:
        assert ordered == []


def test_windows_hold_about_as_many_events_as_asked():
    dense, sparse = EventDensity(0, 999, 100_000), EventDensity(5000, 999_999, 1000)
    cut = list(scan_windows(Span(0, 10**6), [dense, sparse], 10_000, ascending=True))
    assert [window.start_ms for window in cut[:4]] == [0, 100, 200, 300]
    assert len(cut) == 11
    backwards = list(scan_windows(Span(0, 10**6), [dense, sparse], 500, ascending=False, growth=2))
    assert backwards[0] == Span(502_500, 10**6)
    assert len(backwards) < 10
