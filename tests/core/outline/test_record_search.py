"""Records found by key or label: those whose own key or label has the text, and no others."""

import json
from typing import Any

import pytest

from delta_server.core.diff.diff_settings import DiffSettings
from delta_server.core.json import pieces
from delta_server.core.outline import record_search
from delta_server.core.outline.record_search import RecordSearch

KNOWN = (("/items", ("id",)), ("/items/*/parts", ("n",)))


def find(document: Any, q: str, path: str = "", start: int = 0, count: int = 1000) -> RecordSearch | None:
    text = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    return record_search.find(text, q, path, DiffSettings(), KNOWN, start, count)


def found(document: Any, q: str, path: str = "") -> list[tuple[str, str | None, list[str]]]:
    search = find(document, q, path)
    assert search is not None
    return [(hit.path, hit.label, hit.key) for hit in search.rows]


DOCUMENT = {
    "title": "Elounda",
    "items": [
        {"id": "us70", "name": "Elounda in Greece", "at": "Crete", "parts": [{"n": 1, "name": "Left elounda"}]},
        {"id": "us71", "name": "Sinabang", "at": "Elounda"},
    ],
    "stations": {f"station-{n}": {"name": f"Hill {n}", "v": n} for n in range(70)},
    "few": {"station-1": {"name": "Hill 1"}},
    "plain": [1, 2, "Elounda"],
    "unnamed": [{"x": 70}, {"x": 71}],
}
FIRST = ("/items/[id=us70]", "Elounda in Greece", ["us70"])


@pytest.mark.parametrize(
    ("q", "path", "wanted"),
    [
        ("elounda", "", [FIRST, ("/items/[id=us70]/parts/[n=1]", "Left elounda", ["1"])]),
        ("US70", "", [FIRST]),
        ("crete", "", []),
        ("elounda", "/items/1", []),
        ("left", "/items/[id=us70]", [("/items/[id=us70]/parts/[n=1]", "Left elounda", ["1"])]),
        ("ELOÚNDA", "", [FIRST, ("/items/[id=us70]/parts/[n=1]", "Left elounda", ["1"])]),
        ("hill 69", "", [("/stations/station-69", "Hill 69", ["station-69"])]),
        ("station-69", "/stations", [("/stations/station-69", "Hill 69", ["station-69"])]),
    ],
)
def test_by_key_or_label(q: str, path: str, wanted: list[tuple[str, str | None, list[str]]]) -> None:
    assert found(DOCUMENT, q, path) == wanted


def test_all_of_a_place_and_windows_of_them() -> None:
    assert [path for path, _, _ in found(DOCUMENT, "", "/items")] == [
        "/items/[id=us70]", "/items/[id=us70]/parts/[n=1]", "/items/[id=us71]",
    ]  # fmt: skip
    window = find(DOCUMENT, "", "/stations", 68, 9)
    assert window is not None
    assert (window.of, [hit.key for hit in window.rows]) == (70, [["station-68"], ["station-69"]])
    assert find(DOCUMENT, "", "/nothing") is None
    assert found([], "") == []
    assert found(7, "7") == []


def test_a_large_document_is_passed_over_by_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = found(DOCUMENT, "1")
    monkeypatch.setattr(pieces, "LARGE_BYTES", 64)
    monkeypatch.setattr(pieces, "CHUNK_BYTES", 64)
    assert found(DOCUMENT, "1") == whole != []


def test_bounds_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_search, "MOST_COUNTED", 5)
    search = find(DOCUMENT, "hill")
    assert search is not None
    assert (search.of, search.complete) == (5, False)
    monkeypatch.setattr(record_search, "MOST_READ_BYTES", 10)
    search = find(DOCUMENT, "hill")
    assert search is not None
    assert (search.of, search.complete) == (0, False)


@pytest.mark.parametrize("name", [rb"caf\u00e9", "café".encode(), rb"half \ud83d caf\u00e9"])
def test_escapes(name: bytes) -> None:
    document = b'{"items":[{"id":1,"name":"%b"},{"id":2,"name":"b"}]}' % name
    assert [path for path, _, _ in found(document, "CAFÉ")] == ["/items/[id=1]"]
