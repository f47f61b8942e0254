import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core import names
from delta_server.core.errors import Invalid


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("x" * 201, "201 characters"),
        ("x" * 1_000_000, "1000000 characters"),
        (" users", "white space"),
        ("users\n", "white space"),
        ("\N{NO-BREAK SPACE}users", "white space"),
        (".", "URLs"),
        ("..", "URLs"),
        ("01890a5d-ac96-774b-bcce-b302099a8057", "looks like an id"),
        ("01890A5D-AC96-774B-BCCE-B302099A8057", "looks like an id"),
        ("us\0ers", r"U\+0000"),
        ("us\ners", r"U\+000A"),
        ("us\x1b[31mers", r"U\+001B"),
        ("us\N{LINE SEPARATOR}ers", r"U\+2028"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}users", r"U\+202E"),
        ("us\N{RIGHT-TO-LEFT MARK}ers", r"U\+200F"),
        ("us\N{ZERO WIDTH SPACE}ers", r"U\+200B"),
        ("us\N{ZERO WIDTH NO-BREAK SPACE}ers", r"U\+FEFF"),
        ("us\ud800ers", r"U\+D800"),
        ("us\U0010ffffers", r"U\+10FFFF"),
    ],
)
def test_refused_names_say_why(name: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason) as caught:
        names.check(name)
    assert [error.field for error in caught.value.errors] == ["name"]
    assert len(caught.value.message) < 120


@pytest.mark.parametrize(
    "name",
    [
        "users",
        "GET /prices",
        "a//b",
        "..a",
        "50 %",
        "dépôts",
        "価格",
        "مستخدمين",
        "נתונים",
        "می‌خواهم",
        "🐋",
        "👩‍🚀 crew",
        "x" * 200,
    ],
)
def test_names_of_every_script_are_kept(name: str) -> None:
    assert names.check(name) == name


def test_decomposed_letters_are_composed() -> None:
    assert names.check("depo\N{COMBINING CIRCUMFLEX ACCENT}t") == "dep\N{LATIN SMALL LETTER O WITH CIRCUMFLEX}t"


@given(st.text())
def test_an_accepted_name_stays_accepted_and_the_same(text: str) -> None:
    try:
        name = names.check(text)
    except Invalid:
        return
    assert names.check(name) == name == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(("text", "reason"), [("x" * 2001, "2001 characters"), ("a\0b", r"U\+0000")])
def test_refused_descriptions_say_why(text: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        names.check_description(text)


def test_a_description_is_kept_as_it_is() -> None:
    assert names.check_description(" two\nlines \u202e ") == " two\nlines \u202e "


NAMES = st.text(st.sampled_from("ab/ é\U0001f40b"), min_size=1, max_size=4).map(str.strip).filter(bool)


@given(st.lists(NAMES, unique=True), st.text("ab/", max_size=2), st.none() | NAMES)
def test_the_range_of_a_page_holds_just_the_names_it_should(found: list[str], prefix: str, after: str | None) -> None:
    start, end = names.page_range(prefix, after)
    wanted = [name for name in found if name.startswith(prefix) and (after is None or name > after)]
    assert [name for name in found if start <= name < end] == wanted
