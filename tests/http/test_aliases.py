import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.http.aliases import camel, snake_body
from tests.http.sample import Sample


@pytest.mark.parametrize(("snake", "name"), [("page_size", "pageSize"), ("a", "a"), ("keep_last_days", "keepLastDays")])
def test_camel(snake: str, name: str) -> None:
    assert camel(snake) == name


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=50)
@given(VALUES)
def test_free_json_is_left_alone(value: object) -> None:
    text = msgspec.json.encode({"freeJson": value, "other": value})
    assert msgspec.json.decode(snake_body(text, Sample)) == {"free_json": value, "other": value}
