"""What samples of events say: fields of all of them, strings and ranges of the recent ones alone."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.schemas import json_schema, nodes, samples
from delta_server.core.schemas.fitting import misfits_of
from delta_server.core.schemas.presenting import presented
from delta_server.core.schemas.samples import Sampled, SampledEvent, SampleLearnt, learn, shown
from delta_server.core.schemas.shape import Shape
from delta_server.core.schemas.values_apart import bare, filled
from tests.core.schemas.test_learning import learned, values
from tests.often import FUZZ

RECENT = 1_000


def event(number: int, data: Any, time_ms: int = RECENT, **fields: Any) -> SampledEvent:
    named = {"source": None, "status": None, "duration": None, "priority": None, "tags": None, **fields}
    return SampledEvent(number, time_ms, number, data=msgspec.json.encode(data).decode(), metadata=None, **named)


def learned_from(events: Sequence[SampledEvent], before: SampleLearnt | None = None) -> SampleLearnt:
    shape, seen = (None, None) if before is None else (before.shape, before.seen)
    return learn(Sampled(events, shape, seen, RECENT))


class TestApart:
    @settings(max_examples=100 * FUZZ, deadline=None)
    @given(st.lists(values, min_size=1, max_size=6))
    def test_together_they_are_what_was_learned(self, documents: list[Any]) -> None:
        shape = learned(*documents)
        assert filled(bare(shape), shape) == shape
        assert bare(filled(bare(shape), None)) == bare(shape)

    @settings(max_examples=100 * FUZZ, deadline=None)
    @given(st.lists(values, max_size=4), st.lists(values, min_size=1, max_size=4), st.booleans())
    def test_the_recent_ones_fit_with_their_values(self, old: list[Any], recent: list[Any], narrow: bool) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if narrow:
                patch.setattr(nodes, "MOST_NAMES", 2)
            shape = presented(filled(bare(learned(*old, *recent)), learned(*recent)))
            schema = msgspec.json.encode(json_schema.json_schema(shape, 99)).decode()
            assert misfits_of(schema, list(map(msgspec.json.encode, recent))) == [[]] * len(recent)
            fields = msgspec.json.encode(json_schema.frozen(shape)).decode()
            assert misfits_of(fields, list(map(msgspec.json.encode, [*old, *recent]))) == [[]] * len([*old, *recent])

    def test_nothing_of_values_is_left(self) -> None:
        shape = bare(learned({"a": "x", "b": [1, 5], "2026-05-01": {"c": "y" * 99}}))
        assert b'"x"' not in msgspec.json.encode(shape)
        assert b'"low"' not in msgspec.json.encode(shape)
        assert "enum" not in str(json_schema.json_schema(presented(shape), 99))


def test_values_of_the_recent_ones_alone() -> None:
    found = learned_from([event(1, {"n": 5, "s": "old"}, time_ms=RECENT - 1), event(2, {"n": 1, "s": "new", "k": 1})])
    data = shown(found.shape, found.seen).properties["data"]
    assert (data.properties["n"].low, data.properties["n"].high, data.properties["s"].texts) == (1, 1, ("new",))
    assert (data.required, found.recent, found.changes) == (("n", "s"), 1, [])


def test_what_changed_since_what_was_known() -> None:
    first = learned_from([event(1, {"n": 1}, status="ok")])
    then = learned_from([event(3, {"n": 2}, status="ok"), event(2, {"n": None}, time_ms=5, status="ok")], first)
    assert [(each.path, each.what) for each in then.changes] == [("/data/n", "nullable")]
    assert (then.changed_at, then.happened_at) == (2, 5), "of the event that did not fit"
    assert learned_from([event(1, {"n": 1}, status="ok")], then).changes == []


def test_all_that_is_learned_from() -> None:
    found = learned_from([event(1, {}, source="web", status="ok", duration=1.5, priority=10, tags=["a"])])
    names = ["data", "duration", "priority", "source", "status", "tags"]
    assert list(shown(found.shape, found.seen).properties) == names


def test_a_type_is_bounded_whatever_its_events_are(monkeypatch: pytest.MonkeyPatch) -> None:
    found: SampleLearnt | None = None
    for turn in range(12):
        data = {f"f{turn}x{n:03}": {f"g{m}": f"{turn} {n} {m} text" for m in range(9)} for n in range(20)}
        found = learned_from([event(turn, data)], found)
        if not turn:
            assert not shown(found.shape, found.seen).properties["data"].is_map
    assert found is not None
    assert shown(found.shape, found.seen).properties["data"].is_map
    assert _texts(shown(found.shape, found.seen)) != set()
    monkeypatch.setattr(samples, "SEEN_BYTES", 100)
    without = learned_from([event(99, {"f1": {"g1": "text"}})], found)
    assert _texts(shown(without.shape, without.seen)) == set()


def _texts(shape: Shape) -> set[str]:
    below = [*shape.properties.values(), *(each for each in (shape.rest, shape.items) if each is not None)]
    return set(shape.texts).union(*map(_texts, below))
