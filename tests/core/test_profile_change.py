import msgspec

from delta_server.core.profile_change import MOST_TRAITS_BYTES, merged


def test_a_change_replaces_adds_and_takes_away() -> None:
    assert merged({"plan": "free", "age": 3, "city": "Rome"}, {"plan": "pro", "age": None, "name": "Ann"}) == {
        "city": "Rome",
        "plan": "pro",
        "name": "Ann",
    }


def test_what_was_set_longest_ago_goes_when_it_is_too_much() -> None:
    traits: dict[str, object] = {}
    for number in range(200):
        traits = merged(traits, {f"trait {number % 150}": "x" * 1000})
    assert len(msgspec.json.encode(traits)) <= MOST_TRAITS_BYTES
    assert list(traits) == [f"trait {number % 150}" for number in range(200 - len(traits), 200)]
