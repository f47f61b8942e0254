"""Who has computed more than its share lately."""

import pytest

from delta_server.storage.recent_use import HALF_S, RecentUse


@pytest.mark.parametrize(
    ("used", "sharers", "after_s", "more"),
    [
        pytest.param({}, 2, 0, set[int](), id="nobody"),
        pytest.param({1: 100}, 1, 0, set[int](), id="one alone has no share to keep"),
        pytest.param({1: 100}, 2, 0, {1}, id="the other has used nothing"),
        pytest.param({1: 1, 2: 1}, 2, 0, set[int](), id="two alike"),
        pytest.param({1: 1, 2: 3}, 2, 0, {2}, id="one more than the other"),
        pytest.param({1: 1, 2: 3}, 2, 3 * HALF_S, {2}, id="later the difference is the same"),
        pytest.param({1: 1, 2: 3}, 2, 50 * HALF_S, set[int](), id="long ago"),
        pytest.param({1: 0.001, 2: 3}, 1, 0, set[int](), id="what is next to nothing does not count"),
        pytest.param({1: 1, 2: 5, 3: 6}, 3, 0, {2, 3}, id="two more than the third"),
    ],
)
def test_who_has_had_more_than_its_share(used: dict[int, float], sharers: int, after_s: float, more: set[int]) -> None:
    now = [1000.0]
    use = RecentUse(lambda: now[0])
    for project, seconds in used.items():
        use.add(project, seconds)
    now[0] += after_s
    assert {project for project in range(5) if use.is_more_than_share(project, sharers=sharers)} == more


def test_what_was_used_counts_less_and_less() -> None:
    now = [0.0]
    use = RecentUse(lambda: now[0])
    use.add(1, 8)
    now[0] += 2 * HALF_S  # 2 are left of it
    use.add(2, 1.9)
    assert use.is_more_than_share(1, sharers=2)
    use.add(2, 0.2)
    assert use.is_more_than_share(2, sharers=2)


def test_projects_of_long_ago_are_not_kept() -> None:
    now = [0.0]
    use = RecentUse(lambda: now[0])
    for project in range(5000):
        use.add(project, 0.02)
        now[0] += 1
    assert len(use._used) < 300
