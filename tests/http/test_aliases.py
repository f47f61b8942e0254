import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.http.aliases import camel, other_names, snake_body
from tests.http.sample import Sample


@pytest.mark.parametrize(("snake", "name"), [("page_size", "pageSize"), ("a", "a"), ("keep_last_days", "keepLastDays")])
def test_camel(snake: str, name: str) -> None:
    assert camel(snake) == name


@pytest.mark.parametrize(
    ("names", "other", "meant"),
    [
        ({"endpoint_id"}, "endpoint", "endpoint_id"),
        ({"endpoint"}, "endpointId", "endpoint"),
        ({"from", "to"}, "startTime", "from"),
        ({"from", "to"}, "to_time", "to"),
        ({"startTime", "endTime"}, "start_time", "startTime"),
        ({"startTime", "endTime"}, "from", "startTime"),
        ({"from_time"}, "fromTime", "from_time"),
        ({"limit"}, "pageSize", "limit"),
        ({"limit", "page_size"}, "pageSize", "page_size"),
        ({"limit", "pageSize"}, "page_size", "pageSize"),
        ({"from"}, "from", None),
        ({"from"}, "to", None),
        ({"name"}, "endpoint", None),
    ],
)
def test_other_names(names: set[str], other: str, meant: str | None) -> None:
    assert other_names(names).get(other) == meant


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=50)
@given(VALUES)
def test_free_json_is_left_alone(value: object) -> None:
    text = msgspec.json.encode({"freeJson": value, "other": value})
    assert msgspec.json.decode(snake_body(text, Sample)) == {"free_json": value, "other": value}
