"""New values, what contributed, and sentences."""

from typing import Any

import pytest

from delta_server.core.anomalies import novelty
from delta_server.core.anomalies.breakdown import Contribution, contributions
from delta_server.core.anomalies.novelty import Known
from delta_server.core.anomalies.reading import Watched, read, sizes
from delta_server.core.anomalies.words import sentence
from delta_server.core.diff.diff_settings import DiffSettings


def news(readings: list[list[str]]) -> list[tuple[int, list[str]]]:
    known = Known()
    return [(at, new) for at, values in enumerate(readings) if (new := novelty.novel(known, values))]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([["open"]] * 100 + [["shut"]] * 3, [(100, ["shut"])], id="new, once"),
        pytest.param([["open"]] * 49 + [["shut"]], [], id="too few readings"),
        pytest.param([["open"]] * 100 + [["b", "a", "open"]], [(100, ["a", "b"])], id="two at once"),
        pytest.param([[f"{n // 2}"] for n in range(40)] + [["open"]] * 20 + [["x"]], [(60, ["x"])], id="each twice"),
        pytest.param([[f"title {n}"] for n in range(50)] + [["x"]], [], id="new each time"),
        pytest.param([["a", "b"]] * 60 + [[f"{n}" for n in range(99)]] + [["x"]], [], id="too many to be codes"),
        pytest.param([[]] * 100 + [["x"]], [], id="there for the first time"),
        pytest.param([["open"]] * 100 + [["x" * 900]], [(100, ["x" * novelty.MOST_CHARS])], id="long"),
    ],
)  # fmt: skip
def test_new_values(readings: list[list[str]], expected: list[tuple[int, list[str]]]) -> None:
    assert news(readings) == expected


@pytest.mark.parametrize(
    ("now", "usual", "names"),
    [
        ({"a": 90, "b": 10}, {"a": 10, "b": 10}, [("a", 1.0)]),
        ({"a": 30, "b": 30}, {"a": 10, "b": 10}, [("a", 0.5), ("b", 0.5)]),
        ({"a": 1}, {"a": 10, "b": 10}, [("b", 0.5263), ("a", 0.4737)]),
        ({"a": 90, "b": 5}, {"a": 10, "b": 10}, [("a", 1.0667)]),
        ({"a": 90}, {"a": 10}, []),
        ({"a": 10, "b": 20}, {"a": 20, "b": 10}, []),
        ({}, {}, []),
    ],
)
def test_contributions(now: dict[str, float], usual: dict[str, float], names: list[tuple[str, float]]) -> None:
    assert [(each.name, each.share) for each in contributions(now, usual)] == names


MUCH: dict[str, Any] = {"value": 9981.0, "expected": (2686.6, 6921.7)}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (("spike", "events", "view", MUCH), "view: 9,981 events in an hour, where 2,687 to 6,922 are usual"),
        (("level_shift", "field", "/a", MUCH), "/a: 9,981, where 2,687 to 6,922 are usual, and stays there"),
        (("spike", "size", "", MUCH), "Size of the document: 9,981 bytes, where 2,687 to 6,922 are usual"),
        (("spike", "duration", "", {"value": 0.123456, "expected": (0.01, 0.02)}),
         "Duration of polls: 0.123 ms for a poll, where 0.01 to 0.02 are usual"),
        (("silence", "events", "view", {"value": 0, "expected": (5, 9)}),
         "view: no events in an hour, where 5 to 9 are usual"),
        (("silence", "changes", "", {"value": 0, "expected": (0, 9)}),
         "Changes: no changed versions for longer than ever"),
        (("new_value", "field", "/s", {"value": 0, "expected": (0, 0), "label": "shut"}),
         "/s: shut, which was never there before"),
        (("spike", "field", "/a", {"value": 1e20, "expected": (0, 1), "breakdown": [Contribution("x", 3, 1, 0.4)]}),
         "/a: 1e+20, where 0 to 1 are usual; some of it x: 3 instead of 1"),
    ],
)  # fmt: skip
def test_sentences(said: tuple[Any, Any, str, dict[str, Any]], expected: str) -> None:
    kind, series, name, more = said
    assert sentence(kind, series, name, **more) == expected


def test_what_documents_have() -> None:
    watched = Watched(["/count", "/items/*/price", "/none", "/a/*/*/*/b"], ["/items/*/state", "/count"])
    bodies = [b'{"count": 3, "items": [{"price": 2, "state": "on"}, {"price": 5.5, "state": null}]}', b"[]", b'"x"']
    first, *others = read(watched, DiffSettings(), (), bodies)
    assert (first.numbers, first.codes) == ([3.0, 7.5, None, None], [["on"], []])
    assert [(each.numbers, each.codes) for each in others] == [([None] * 4, [[], []])] * 2
    assert sizes(b' {"a": [1, 2], "b": ""}') == {"a": 6.0, "b": 2.0}
    assert sizes(b"[1, 2]") == {"": 6.0}
