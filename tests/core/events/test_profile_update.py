import msgspec
import pytest

from delta_server.core.events.profile_update import (
    MOST_REMOVED_BYTES,
    MOST_TRAITS_BYTES,
    Traits,
    TraitsUpdate,
    combined,
    merged,
    without_future,
)


def change(at: int, **traits: object) -> TraitsUpdate:
    return TraitsUpdate("user", "ann", traits, at)


PRO, FREE = change(11, plan="pro"), change(10, plan="free")
ORDERS: dict[str, tuple[list[TraitsUpdate], dict[str, object]]] = {
    "later calls replace": ([FREE, PRO], {"plan": "pro"}),
    "a late call with an older time does not": ([PRO, FREE], {"plan": "pro"}),
    "of one time the one that came last counts": ([change(10, plan="pro"), FREE], {"plan": "free"}),
    "a late call adds what is not known yet": (
        [PRO, change(10, plan="free", city="Rome")],
        {"plan": "pro", "city": "Rome"},
    ),
    "each trait has its own time": (
        [PRO, change(9, city="Rome", plan="x"), change(10, city="Bari")],
        {"plan": "pro", "city": "Bari"},
    ),
    "null takes away": ([FREE, change(11, plan=None)], {}),
    "what was taken away stays away": ([change(11, plan=None), FREE], {}),
    "and comes back by a later call": ([change(11, plan=None), change(12, plan="free")], {"plan": "free"}),
    "values keep their kind": (
        [change(1, a=0, b=False, c=[None], d={"e": 1})],
        {"a": 0, "b": False, "c": [None], "d": {"e": 1}},
    ),
}


@pytest.mark.parametrize(("calls", "values"), ORDERS.values(), ids=ORDERS)
def test_traits_follow_the_calls_own_times(calls: list[TraitsUpdate], values: dict[str, object]) -> None:
    one_by_one = Traits({}, {})
    for call in calls:
        one_by_one = merged(one_by_one, combined([call]))
    assert one_by_one.values == values
    assert combined(calls).values == values, "in one request as in many"


def test_what_was_told_before_times_were_kept_is_older_than_all() -> None:
    assert merged(Traits({"a": 1, "b": 2}, {}), combined([change(-5, a=3)])).values == {"b": 2, "a": 3}


def test_what_a_clock_ahead_told_does_not_keep_out_what_is_told_since() -> None:
    ahead = combined([change(900, a=1, gone=None), change(5, b=1)])
    assert without_future(ahead, 900) == ahead
    seen = without_future(ahead, 899)
    assert seen.values == {"b": 1, "a": 1}
    assert merged(seen, combined([change(6, a=2, b=2, gone=3)])).values == {"a": 2, "b": 2, "gone": 3}
    assert merged(seen, combined([change(4, b=0)])).values == {"b": 1, "a": 1}, "other times are kept"


def test_what_is_too_much_goes_oldest_first() -> None:
    traits = combined([change(2, new="y" * 10), change(1, old="x" * MOST_TRAITS_BYTES)])
    assert traits.values == {"new": "y" * 10}
    for number in range(200):
        traits = merged(traits, combined([change(number + 3, **{f"t{number}": "x" * 1000})]))
    assert len(msgspec.json.encode(traits.values)) <= MOST_TRAITS_BYTES
    assert list(traits.values) == [f"t{number}" for number in range(200 - len(traits.values), 200)]
    assert traits.told_at.keys() == traits.values.keys()


def test_names_of_what_was_taken_away_are_bounded() -> None:
    traits = combined([change(number, **{f"{number:04}": None}) for number in range(5000)])
    assert traits.values == {}
    assert list(traits.told_at) == [f"{n:04}" for n in range(5000 - MOST_REMOVED_BYTES // 4, 5000)]
