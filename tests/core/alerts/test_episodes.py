"""Anomalies judged by a rule, one change after the other."""

import pytest

from delta_server.core.alerts import episodes
from delta_server.core.alerts.episodes import MOST_BEGUN, Seen
from delta_server.core.alerts.judging import Memory
from delta_server.core.alerts.rules import Rule

ROWS: list[tuple[str, float | None, list[Seen], list[tuple[str, int, str | None]]]] = [
    ("one that lasts", None, [Seen("a", 1, None, 5, "9")], [("raised", 1, "9")]),
    ("one that had ended", None, [Seen("a", 1, 3, 5, "9")], [("raised", 1, "9"), ("cleared", 3, "9")]),
    ("the same again", None, [Seen("a", 1, None, 5, "9")] * 2, [("raised", 1, "9")]),
    ("further off", None, [Seen("a", 1, None, 5, "9"), Seen("a", 1, 4, -7, "2")],
        [("raised", 1, "9"), ("grew", 1, "2"), ("cleared", 4, "2")]),
    ("it begins anew after its end", None, [Seen("a", 1, 3, 5, "9"), Seen("a", 1, None, 6, "9")],
        [("raised", 1, "9"), ("cleared", 3, "9")]),
    ("another one without an end of the first", None, [Seen("a", 1, None, 5, "9"), Seen("a", 8, None, 5, "7")],
        [("raised", 1, "9"), ("cleared", 8, "9"), ("raised", 8, "7")]),
    ("two series", None, [Seen("a", 1, None, 5, "9"), Seen("b", 1, 2, 5, "8")],
        [("raised", 1, "9"), ("raised", 1, "8"), ("cleared", 2, "8")]),
    ("not far enough", 6, [Seen("a", 1, 3, 5.9, "9"), Seen("b", 1, 3, -5.9, "9")], []),
    ("far enough later", 6, [Seen("a", 1, None, 5, "9"), Seen("a", 1, None, -6, "1")], [("raised", 1, "1")]),
    ("a new value is off by no number", 1, [Seen("a", 1, 1, None, '"x"')], []),
]  # fmt: skip


@pytest.mark.parametrize(("value", "seen", "moved"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_anomalies_do(value: float | None, seen: list[Seen], moved: list[tuple[str, int, str | None]]) -> None:
    memory = Memory()
    found = [each for one in seen for each in episodes.step(Rule(kind="anomaly", value=value), memory, one)]
    assert [(each.verdict.what, each.at_ms, each.verdict.most) for each in found] == moved


def test_what_is_remembered_is_bounded() -> None:
    memory = Memory()
    for number in range(MOST_BEGUN + 50):
        episodes.step(Rule(kind="anomaly"), memory, Seen(f"s{number}", 1, 2, 5, "9"))
    assert (len(memory.begun), memory.standings) == (MOST_BEGUN, {})


def test_the_share_of_the_time_counts_what_overlaps_once() -> None:
    seen = [Seen("a", 10, 30, 5, "1"), Seen("b", 20, 25, 5, "1"), Seen("c", 90, None, 5, "1")]
    assert episodes.share(seen, 0, 100) == pytest.approx(0.3)
    assert episodes.share(seen, 0, 0) == 0.0
