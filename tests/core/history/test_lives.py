"""What a delta says of each record, by readable names: the record of /a/[id=1] is told as a[id=1]."""

import msgspec
import pytest

from delta_server.core.diff.compare import diff
from delta_server.core.diff.diff_settings import DEFAULT, DiffSettings, KnownKeys
from delta_server.core.history import lives, records
from delta_server.core.json.pointer import parse

KNOWN: KnownKeys = (("/a", ("id",)),)
NAMED = [
    *(f"/a/[id={key}]" for key in (1, 2, 3, "x", "1.5", "true")),
    *(f"/a/[id=1]/s/[k={key}]" for key in ("x", "y")),
    "/a/[p=1,q=2]",
]


def named() -> dict[bytes, str]:
    names = {records.ROOT: ""}
    for path in NAMED:
        found = records.targets(parse(path)) or []
        most = max(len(target.points) for target in found)
        names |= {target.points[-1].record: path for target in found if len(target.points) == most}
    return names


def said(before: str, after: str, *, settings: DiffSettings = DEFAULT, known: KnownKeys = KNOWN) -> list[str]:
    difference = diff(before.encode(), after.encode(), settings, known)
    entries = lives.entries_of(difference, settings, known)
    assert lives.decoded(lives.encoded(entries)) == entries
    names = named()
    return [
        f"{entry.what.replace(chr(0), ',')} {names[entry.record]}{entry.place} {entry.value.decode()}".strip()
        for entry in sorted(entries, key=lambda entry: (names[entry.record], entry.place, entry.what))
    ]


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("1", "1.0", []),
        ("1", "2", ["=  2"]),
        ('{"b":1}', '{"b":"é","c/d":null}', ['= /b "é"', "+ /c~1d null"]),
        ('{"b":1,"c":2}', '{"c":{"d":3}}', ["= /b -", "= /c"]),
        ('{"b":{"c":1}}', '{"b":{"c":2}}', ["= /b/c 2"]),
        ('{"b":"x"}', '{"b":"a\\"b"}', ["= /b"]),
        ('{"b":"x"}', '{"b":"%s"}' % ("y" * 60), ["= /b"]),
        ('{"b":[1,2]}', '{"b":[2,1]}', ["* /b"]),
        ('{"a":[{"id":1,"n":1}]}', '{"a":[{"id":1,"n":2}]}', ["[id /a", "= /a/[id=1]/n 2"]),
        ('{"a":[{"id":1.0,"n":1}]}', '{"a":[{"id":1,"n":2}]}', ["[id /a", "= /a/[id=1]/n 2"]),
        ('{"a":[{"id":1},{"id":2}]}', '{"a":[{"id":2},{"id":3}]}', ["[id /a", "= /a/[id=1] -", "+ /a/[id=3]"]),
        ('{"a":[{"id":1},{"id":2}]}', '{"a":[{"id":2},{"id":1}]}', ["[id /a"]),
        ('{"a":[]}', '{"a":[{"id":1}]}', ["[id /a", "+ /a/[id=1]"]),
        ('{"a":[{"id":1.5,"n":1}]}', '{"a":[{"id":1.5,"n":2}]}', ["[id /a", "= /a/[id=1.5]/n 2"]),
        ('{"a":[{"id":1,"s":[{"k":"x","v":1}]}]}', '{"a":[{"id":1,"s":[{"k":"x","v":2}]}]}',
         ["[id /a", "[k /a/[id=1]/s", "= /a/[id=1]/s/[k=x]/v 2"]),
        ('{"a":[{"id":1},{"id":"1"}]}', '{"a":[{"id":1,"n":1},{"id":"1"}]}', ["* /a"]),
        ('{"a":[{"id":1},{"id":1}]}', '{"a":[{"id":1}]}', ["* /a"]),
        ('{"a":[{"id":1},{"n":1}]}', '{"a":[{"id":1},{"n":2}]}', ["* /a"]),
        ('{"a":[{"id":1},2]}', '{"a":[{"id":1},3]}', ["* /a"]),
        ('{"a":[{"id":1,"n":"long enough to be the same"},{"id":2}]}',
         '{"a":[{"id":3,"n":"long enough to be the same"},{"id":2}]}', ["[id /a", "= /a/[id=1] -", "+ /a/[id=3]"]),
    ],
)  # fmt: skip
def test_entries(before: str, after: str, wanted: list[str]) -> None:
    assert said(before, after, known=(*KNOWN, ("/a/*/s", ("k",)))) == wanted


def test_a_key_that_changed_its_type_is_anything() -> None:
    told = said('{"a":[{"id":1,"n":1},{"id":2}]}', '{"a":[{"id":"1","n":1},{"id":2}]}')
    assert told[0] == "[id /a"
    assert all(line in ("? /a/[id=1]", "= /a/[id=1] -", "+ /a/[id=1]") for line in told[1:])
    assert told[1:] in (["? /a/[id=1]"], ["+ /a/[id=1]", "= /a/[id=1] -"])


def test_elements_that_another_key_matched() -> None:
    """By code, the elements swapped their ids: of neither record it is known what it has now."""
    before = '{"a":[{"id":1,"code":"p","n":1},{"id":2,"code":"q","n":2}]}'
    after = '{"a":[{"id":2,"code":"p","n":1},{"id":1,"code":"q","n":2}]}'
    found = diff(before.encode(), after.encode(), DiffSettings(array_keys={"/a": ["code"]}))
    told = lives.entries_of(found, DEFAULT, KNOWN)
    assert {entry.what for entry in told if entry.record != records.ROOT} == {"?"}
    assert len(told) == 3


def test_the_key_that_is_set_goes_first() -> None:
    settings = DiffSettings(array_keys={"/a": ["p", "q"]})
    before, after = '{"a":[{"id":1,"q":2,"p":1}]}', '{"a":[{"id":7,"q":2,"p":1}]}'
    assert said(before, after, settings=settings) == ["[p,q /a", "= /a/[p=1,q=2]/id 7"]


def test_an_ignored_key_identifies_nothing() -> None:
    settings = DiffSettings(ignore=["/a/*/id"])
    assert said('{"a":[{"id":1,"n":1}]}', '{"a":[{"id":1,"n":2}]}', settings=settings) == ["* /a"]


def test_many_entries_keep_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = '{"b":1,"c":1,"d":1}', '{"b":2,"c":2,"d":2}'
    monkeypatch.setattr(lives, "MOST_WITH_VALUES", 2)
    assert said(before, after) == ["= /b", "= /c", "= /d"]


def test_too_many_entries_become_one_a_record_or_one(monkeypatch: pytest.MonkeyPatch) -> None:
    before = '{"b":1,"c":1,"a":[{"id":1,"n":1,"m":1},{"id":2,"n":1}]}'
    after = before.replace(":1,", ":5,").replace('"id":5', '"id":1').replace('"n":1}', '"n":5}')
    monkeypatch.setattr(lives, "MOST_ENTRIES", 3)
    assert said(before, after) == ["?", "? /a/[id=1]", "? /a/[id=2]"]
    monkeypatch.setattr(lives, "MOST_ENTRIES", 2)
    assert said(before, after) == ["?"]


def test_a_long_place_is_told_of_as_its_record() -> None:
    name = "x" * (lives.MOST_PLACE_BYTES + 1)
    before = f'{{"{name}":1}}'
    assert said(before, before.replace("1", "2")) == ["?"]


def test_no_entries() -> None:
    assert lives.encoded([]) == b""
    assert lives.decoded(b"") == []


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("", [""]),
        ("/a/0/b~1c", ["/a/0/b~1c"]),
        ("/a/[id=1]/n", ["/a/[id=1]/n", "/a (id) /n"]),
        ("/a/[id=1]/s/[k=x]", ["/a (id) /s (k) ", "/a (id) /s/[k=x]", "/a/[id=1]/s (k) ", "/a/[id=1]/s/[k=x]"]),
        ("/[b=1,a=2]", [" (a,b) ", "/[b=1,a=2]"]),
    ],
)
def test_targets(path: str, wanted: list[str]) -> None:
    found = records.targets(parse(path))
    assert found is not None
    told = [
        "".join(point.place + ("" if point.fields is None else f" ({','.join(point.fields)}) ") for point in of.points)
        for of in found
    ]
    assert sorted(told) == sorted(wanted)


def test_too_many_targets() -> None:
    assert records.targets(parse("/[a=b]" * 12)) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("[id=7]", '[id="7"]', True),
        ("[id=7.0]", "[id=7]", True),
        ("[id=7]", "[id=8]", False),
        ("[a=1,b=2]", "[b=2,a=1]", True),
        ("[a=1,b=2]", "[a=2,b=1]", False),
        ("[a=1]", "[b=1]", False),
        ('[id="7.0"]', "[id=7]", False),
    ],
)
def test_steps_that_may_mean_one_record(one: str, other: str, same: bool) -> None:
    assert (not reached(one).isdisjoint(reached(other))) is same


def reached(step: str) -> set[bytes]:
    found = records.targets(parse(f"/{step}"))
    assert found is not None
    return {of.points[-1].record for of in found if of.points[-1].record != records.ROOT}


def test_only_some_keys_are_plain() -> None:
    plain = {text: all(t.is_plain for t in records.targets(parse(f"/[id={text}]/n")) or ()) for text in
             ("7", "x", "true", '"x y"', "7.0", '"7"', '"true"')}  # fmt: skip
    assert plain == {"7": True, "x": True, "true": True, '"x y"': True, "7.0": False, '"7"': False, '"true"': False}


def test_where_a_document_leads() -> None:
    document = msgspec.json.encode({"a": [{"id": 7.0, "n": [1, 2]}]})
    target = records.reached(document, parse("/a/[id=7]/n/1"))
    assert [target] == [t for t in records.targets(parse("/a/[id=7]/n/1")) or () if len(t.points) == 2]
