import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import Invalid
from delta_server.core.query import fields
from delta_server.core.query.plan import Field


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (7, "must be the name of a field, not 7"),
        ("", "is not a known field"),
        ("userid", "(userId?)"),
        ("event", "(eventType?)"),
        ("data", "(data.NAME?)"),
        ("datum.plan", "is not a known field"),
        ("data.", "is not a valid field path"),
        ("data.a..b", "is not a valid field path"),
        ("data.a.", "is not a valid field path"),
        (r"data.a\b", "is not a valid field path"),
        ("data.a\\", "is not a valid field path"),
        ("data.a\0", "is not a valid field path"),
        ("data.\ud800", "is not a valid field path"),
        ("data." + "a." * 8 + "a", "9 levels deep"),
        ("data." + "a" * 196, "at most 200"),
        ("x" * 10_000, "is not a known field"),
    ],
)
def test_what_is_no_field_is_refused(text: object, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        fields.parse(text, at="filters[0][1]")
    assert says in caught.value.message
    assert caught.value.message.startswith("filters[0][1] ")
    assert len(caught.value.message) < 400
    assert [error.field for error in caught.value.errors] == ["filters[0][1]"]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("eventType", Field("eventType", "event_type", "text")),
        ("event_type", Field("event_type", "event_type", "text")),
        ("timestamp", Field("timestamp", "time_ms", "time")),
        ("tags", Field("tags", "tags", "list")),
        ("priority", Field("priority", "priority", "number")),
        ("data.plan", Field("data.plan", "data", "json", ("plan",))),
        ("metadata.a.b c", Field("metadata.a.b c", "metadata", "json", ("a", "b c"))),
        (r"data.a\.b\\.c", Field(r"data.a\.b\\.c", "data", "json", ("a.b\\", "c"))),
        ('data.it"s*', Field('data.it"s*', "data", "json", ('it"s*',))),
    ],
)
def test_fields(text: str, field: Field) -> None:
    assert fields.parse(text, at="x") == field


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), min_size=1))
def test_any_name_can_be_written(names: list[str]) -> None:
    text = "data." + ".".join(name.replace("\\", "\\\\").replace(".", "\\.") for name in names)
    if len(names) <= fields.MAX_DEPTH and len(text) <= fields.MAX_LENGTH:
        assert fields.parse(text, at="x").path == tuple(names)


@given(st.one_of(st.text(), st.text(alphabet="data.\\meta\0ï").map(lambda text: "data." + text)))
def test_any_text_is_a_field_or_invalid(text: str) -> None:
    with contextlib.suppress(Invalid):
        assert fields.parse(text, at="x").name == text
