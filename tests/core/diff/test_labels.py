"""What people call a record."""

import json
from typing import Any

import msgspec
import pytest

from delta_server.core.diff import labels
from delta_server.core.diff.diff_settings import DiffSettings
from delta_server.core.diff.labels import Labels
from delta_server.core.json import slices
from delta_server.core.json.pieces import LazyElements
from tests import histories


def elements(records: list[Any]) -> list[msgspec.Raw]:
    return slices.elements(json.dumps(records).encode())


def numbered(**fields: str) -> list[dict[str, Any]]:
    """Twenty records; in each text `#` is the record's number, `%` one of three words."""
    words = "red", "green", "blue"
    return [
        {name: text.replace("#", str(n)).replace("%", words[n % 3]) for name, text in fields.items()} for n in range(20)
    ]


FOUND: list[tuple[str, list[Any], str | None]] = [
    ("a title", numbered(id="#", title="Story #", text="Something else #"), "title"),
    ("a title before a name", numbered(name="Ash #", title="Story #"), "title"),
    ("a name", numbered(sku="A#", name="Ash #", place="Town #"), "name"),
    ("what ends like a name", numbered(id="#", IncidentName="Fire #"), "IncidentName"),
    ("one object deep", [{"properties": one} for one in numbered(title="Story #")], "properties/title"),
    ("a place, which some share", numbered(id="#", place="Town %", city="%"), None),
    ("any text that is nearly unique", numbered(id="#", note="about thing #"), "note"),
    ("no text that many share", numbered(id="#", status="%"), None),
    ("no identifiers", numbered(uuid="record #", orderId="order #", url="see page #"), None),
    ("no addresses", numbered(picture="https://example.org/#"), None),
    ("no times", numbered(at="2026-01-01T00:00:#"), None),
    ("no numbers", [{"n": n, "s": str(n)} for n in range(20)], None),
    ("nothing long", numbered(title="word " * 200 + "#"), None),
    ("nothing most lack", [*numbered(title="Story #")[:9], *[{"id": n} for n in range(9)]], None),
    ("no records", [], None),
    ("no objects", ["a title", "another"], None),
    ("one record", [{"id": 1, "name": "Ash"}], "name"),
    ("a name that a step cannot say", numbered(**{"a=title": "Story #"}), None),
]


@pytest.mark.parametrize(("what", "records", "field"), FOUND, ids=[what for what, _, _ in FOUND])
def test_what_is_found(what: str, records: list[Any], field: str | None) -> None:
    assert labels.found(elements(records)) == field
    if records:
        assert labels.found(LazyElements(json.dumps(records).encode())) == field


def test_a_key_is_the_label_only_if_it_is_a_name() -> None:
    records = elements(numbered(name="Ash #", code="thing #"))
    assert labels.found(records, ("name",)) == "name"
    assert labels.found(elements(numbered(word="thing #")), ("word",)) is None
    assert labels.found(elements(numbered(name="Ash #", title="Story #")), ("title",)) == "name"


LABELS: list[tuple[Any, str | None]] = [
    ("Ash", "Ash"),
    (" a \n line\t", "a line"),
    (12.50, "12.5"),
    ("", None),
    ("  ", None),
    (None, None),
    (True, None),
    ([1], None),
    ("é" * 500, "é" * (labels.MOST_CHARACTERS - 1) + "…"),
]


@pytest.mark.parametrize(("value", "label"), LABELS, ids=str)
def test_labels(value: Any, label: str | None) -> None:
    record = json.dumps({"p": {"t": value}}).encode()
    assert labels.of(record, "p/t") == label
    assert labels.of(record, "p/other") is None
    assert labels.of(record, None) is None


def test_settings_go_first_by_pattern() -> None:
    records = elements(numbered(title="Story #", name="Ash #"))
    settings = DiffSettings(labels={"/a/*/items": "name", "/**/deep": "name", "": "name"})
    for pattern, field in (("/a/*/items", "name"), ("/b/*/items", "title"), ("/x/y/deep", "name"), ("", "name")):
        assert Labels(settings).field(pattern, records) == field


REAL = {
    "ausgrid-planned": ("", "Area"),
    "ca-fires": ("/Incidents", "Name"),
    "hn-domain": ("", "title"),
    "usgs-quakes": ("/features", "properties/title"),
}


@pytest.mark.parametrize("name", histories.names())
def test_real_histories(name: str) -> None:
    """The same field in all versions: labels do not change from moment to moment."""
    pattern, field = REAL[name]
    versions = histories.versions(name)
    for body in versions[:: len(versions) // 5]:
        document = json.loads(body)
        records = document[pattern[1:]] if pattern else document
        assert labels.found(elements(records)) == (field if records else None)
