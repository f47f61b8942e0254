"""Changes of traits out of identify calls, and their pages."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.events import trait_history
from delta_server.core.events.trait_history import IdentifyCall
from tests.often import FUZZ

TRAITS = st.dictionaries(st.sampled_from("abc"), st.sampled_from([None, 1, True, "x", {"y": 1}]))


def calls(said: list[dict[str, Any]]) -> list[IdentifyCall]:
    return [IdentifyCall(number // 2, number, f"m{number}", json.dumps(traits)) for number, traits in enumerate(said)]


def test_spaces_and_the_order_of_members_are_no_change() -> None:
    texts = ('{"a": {"x":1,"y":[1.0]}}', '{"a":{"y":[1.0],"x": 1}}', '{"a":{"y":[1],"x":1}}')
    said = [IdentifyCall(number, number, "m", text) for number, text in enumerate(texts)]
    assert [one.at for one in trait_history.changes(said)] == [2, 0]


@given(st.lists(TRAITS, max_size=12), st.integers(1, 4))
def test_pages_are_the_whole_and_lead_to_the_traits(said: list[dict[str, Any]], limit: int) -> None:
    """With all calls looked behind, each page says what the whole does."""
    made = calls(said)[::-1]
    whole, end = trait_history.page(made, most=100, behind=0, limit=100)
    assert end is None
    found, rest = [], made
    for _ in range(100 * FUZZ):
        some, end = trait_history.page(rest, most=100, behind=0, limit=limit)
        found += some
        if end is None:
            break
        rest = [call for call in made if (call.at, call.seq) < end]
    assert found == whole
    state: dict[str, Any] = {}
    for one in reversed(whole):
        for change in one.changes:
            before = msgspec.UNSET if change.before is msgspec.UNSET else json.loads(bytes(change.before))
            assert before == state.get(change.trait, msgspec.UNSET)
            state.pop(change.trait, None)
            if change.after is not msgspec.UNSET:
                state[change.trait] = json.loads(bytes(change.after))
    wanted: dict[str, Any] = {}
    for traits in said:
        wanted |= traits
    assert state == {name: value for name, value in wanted.items() if value is not None}
