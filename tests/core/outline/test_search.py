"""A text in the names and values of a document: what looking at each value says."""

import json
import unicodedata
from collections.abc import Iterator
from random import Random
from typing import Any, Literal

import pytest

from delta_server.core.diff.diff_settings import DiffSettings
from delta_server.core.json import pieces
from delta_server.core.outline import search
from delta_server.core.outline.search import TextSearch

KNOWN = (("/items", ("id",)),)


def find(document: Any, q: str, start: int = 0, count: int = 1000) -> TextSearch:
    text = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    return search.find(text, q, DiffSettings(), KNOWN, start, count)


def pointers(document: Any, q: str) -> list[str]:
    return [hit.pointer for hit in find(document, q).rows]


DOCUMENT = {
    "title": "Earthquakes",
    "items": [
        {"id": 1, "name": "Elounda in Greece", "mag": 6.20, "tags": ["felt", "GREECE"]},
        {"id": 2, "name": "Sinabang", "mag": 4.9, "greek": {"felt": None}},
    ],
}


def test_names_and_values() -> None:
    found = find(DOCUMENT, "gree")
    assert (found.of, found.complete) == (3, True)
    assert [(hit.path, hit.pointer, hit.found_in, hit.label, hit.kind, hit.text, hit.cut) for hit in found.rows] == [
        ("/items/[id=1]/name", "/items/0/name", "value", "Elounda in Greece", "string", '"Elounda in Greece"', False),
        ("/items/[id=1]/tags/1", "/items/0/tags/1", "value", "Elounda in Greece", "string", '"GREECE"', False),
        ("/items/[id=2]/greek", "/items/1/greek", "key", "Sinabang", "object", None, False),
    ]
    assert [hit.pointer for hit in find(DOCUMENT, "gree", 1, 1).rows] == ["/items/0/tags/1"]


@pytest.mark.parametrize(
    ("q", "at"),
    [("6.2", ["/items/0/mag"]), ("null", ["/items/1/greek/felt"]), ("felt", ["/items/0/tags/0", "/items/1/greek/felt"]),
     ("nowhere", []), ("},{", []), ('"', []), ("quakes", ["/title"])],
)  # fmt: skip
def test_of_each_kind(q: str, at: list[str]) -> None:
    assert pointers(DOCUMENT, q) == at


@pytest.mark.parametrize(
    ("document", "q"),
    [
        (rb'["caf\u00e9"]', "CAFÉ"), (b'["caf\xc3\xa9"]', "cafÉ"), (rb'["a\"b"]', '"'), (rb'["a\/b\\c"]', "/b\\"),
        (rb'["\ud83d\ude00 face"]', "\N{GRINNING FACE}"), (rb'["line\nend"]', "e\nE"), (rb'["half \ud83d"]', "half"),
        (rb'{"n\u0061me":1}', "NAME"), (rb'["\u0041\u004B"]', "ak"),
    ],
)  # fmt: skip
def test_escapes_and_case(document: bytes, q: str) -> None:
    assert find(document, q).of == 1


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    ("text", "q"),
    [("Eloúnda", "elounda"), ("Elounda", "ELOÚNDA"), ("Nguyễn", "nguyen"), ("ΝΆΞΟΣ", "νάξος"), ("Malmø", "malmo"),
     ("İstanbul", "istanbul"), ("Ёлка", "елка"), ("in 東京が", "東京が"), ("ß", "ß"), ("a\\ñ", "\\n")],
)  # fmt: skip
def test_accents_do_not_count(text: str, q: str, form: Literal["NFC", "NFD"], ascii_only: bool) -> None:
    wanted = unicodedata.normalize(form, text) if text != "in 東京が" else text
    assert find(json.dumps([wanted, "else"], ensure_ascii=ascii_only).encode(), q).of == 1


def test_other_letters_do() -> None:
    assert find(["か", "e", "日", "Eloxnda"], "が").of == find(["か", "Eloxnda"], "elounda").of == 0


def test_what_stands_around_a_hit_with_accents_before_it() -> None:
    [hit] = find(["e\u0301" * 1000 + "needlé" + "y" * 1000], "needle").rows
    assert "needlé" in json.loads(hit.text or "")


def test_what_stands_around_a_hit_in_a_long_text() -> None:
    [hit] = find(["x" * 1000 + " needle " + "y" * 1000], "needle").rows
    assert hit.cut
    text = json.loads(hit.text or "")
    assert " needle " in text
    assert (text[0], text[-1], len(text) < 300) == ("…", "…", True)


def test_hits_are_counted_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_COUNTED", 5)
    assert (find(["a"] * 5, "a").of, find(["a"] * 5, "a").complete) == (5, True)
    found = find(["a"] * 6, "a", 3, 9)
    assert (found.of, found.complete, len(found.rows)) == (5, False, 2)


def test_what_is_deep_and_large_everywhere_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_READ_BYTES", 50)
    assert not find(b"[" * 100 + b'"a"' + b"]" * 100, "a").complete


def plain(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(one))


def everywhere(value: Any, q: str, at: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, below in value.items():
            place = f"{at}/{name}"
            if q in plain(name):
                yield place
                if isinstance(below, dict | list):
                    yield from everywhere(below, q, place)
            else:
                yield from everywhere(below, q, place)
    elif isinstance(value, list):
        for n, below in enumerate(value):
            yield from everywhere(below, q, f"{at}/{n}")
    elif q in (plain(value) if isinstance(value, str) else json.dumps(value)):
        yield at


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("ascii_only", [False, True])
def test_all_of_them_in_order_in_pieces_too(seed: int, ascii_only: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = Random(seed)
    letters = 'abAB12éeÉ"\\,]} \n/'

    def text() -> str:
        return "".join(chance.choices(letters, k=chance.randrange(6)))

    def value(depth: int = 0) -> Any:
        if depth < 3 and chance.random() < 0.4:
            if chance.random() < 0.5:
                return [value(depth + 1) for _ in range(chance.randrange(5))]
            return {text().replace("/", "").replace("~", ""): value(depth + 1) for _ in range(chance.randrange(5))}
        return chance.choice([text(), chance.randrange(200), None, True, 1.25])

    document = {"items": [{"id": n, "v": value()} for n in range(200)], "map": {f"m{n}": value() for n in range(200)}}
    raw = json.dumps(document, ensure_ascii=ascii_only).encode()
    monkeypatch.setattr(pieces, "LARGE_BYTES", chance.choice([64, 1 << 19]))
    monkeypatch.setattr(pieces, "CHUNK_BYTES", 256)
    for q in ("a", "1", "é", "ab", '"', "\\", "true", "b2", " ", "m7"):
        assert [hit.pointer for hit in find(raw, q).rows] == list(everywhere(document, plain(q)))[:1000], q
