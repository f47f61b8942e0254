"""What is learned from documents: the same in any order, and never more than the bounds."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.schemas import learning, nodes
from delta_server.core.schemas.learning import Learner
from delta_server.core.schemas.shape import BOOLEAN, INTEGER, NULL, NUMBER, OBJECT, STRING, Shape, decode, encode
from tests.often import FUZZ

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(1 << 80), 1 << 80),
    st.sampled_from(["a", "b", "2026-05-01", "2026-05-01T10:00:00Z", "x@example.com", "z" * 70]),
)
names = st.sampled_from(["a", "b", "c", "d", "e", "1", "2026-01-01"])
values = st.recursive(
    scalars,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(names, below, max_size=5)),
    max_leaves=25,
)


def learned(*documents: Any, known: Shape | None = None) -> Shape:
    learner = Learner(known)
    for document in documents:
        learner.learn(document if isinstance(document, bytes) else msgspec.json.encode(document))
    return learner.shape()


def joined(first: Shape, second: Shape) -> Shape:
    learner = Learner(first)
    learner.join(second)
    return learner.shape()


@pytest.fixture(params=["wide", "narrow"])
def bounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "narrow":
        monkeypatch.setattr(nodes, "LEVELS", (14, 9, 6, 3))
        monkeypatch.setattr(nodes, "MOST_NAMES", 3)
    return str(request.param)


@pytest.mark.usefixtures("bounds")
class TestAnyOrder:
    @settings(max_examples=150 * FUZZ, deadline=None)
    @given(st.lists(values, min_size=1, max_size=6), st.randoms(use_true_random=False))
    def test_of_documents(self, documents: list[Any], random: Any) -> None:
        expected = learned(*documents)
        shuffled = documents * 2
        random.shuffle(shuffled)
        assert learned(*shuffled) == expected
        assert encode(learned(*documents)) == encode(expected)

    @settings(max_examples=150 * FUZZ, deadline=None)
    @given(values, values, values)
    def test_of_joins(self, a: Any, b: Any, c: Any) -> None:
        first, second, third = learned(a), learned(b), learned(c)
        assert joined(first, second) == joined(second, first) == learned(a, b)
        assert joined(joined(first, second), third) == joined(first, joined(second, third)) == learned(a, b, c)
        assert joined(first, first) == first
        assert joined(first, Shape()) == first

    @settings(max_examples=50 * FUZZ, deadline=None)
    @given(values, values)
    def test_kept_in_between(self, a: Any, b: Any) -> None:
        assert learned(b, known=decode(encode(learned(a)))) == learned(a, b)


def test_large_documents_are_split_and_mean_the_same() -> None:
    records = [{"id": n, "name": f"n{n % 7}", "tags": ["x"] * (n % 3), "at": "2026-05-01"} for n in range(400)]
    document = {"items": records, "by": {f"slug{chr(97 + n % 26)}{n // 26}": {"n": n} for n in range(300)}, "k": None}
    more = {"items": [*records, {"id": "x"}], "by": {}, "k": "s" * 3000}
    one_by_one = Learner()
    for each in (document, more):
        one_by_one._value(one_by_one._root, each)
    assert learned(document, more) == one_by_one.shape()
    shape = learned(document, more)
    assert shape.properties["by"].is_map
    assert shape.properties["items"].items is not None
    assert shape.properties["items"].items.required == ("id",)


@pytest.mark.parametrize(
    ("documents", "place", "expected"),
    [
        ([1, 2.5, None], (), Shape(types=INTEGER | NUMBER | NULL, low=1, high=2.5)),
        ([b"1.0"], (), Shape(types=NUMBER, low=1, high=1)),
        ([b"1e999", b"3"], (), Shape(types=NUMBER | INTEGER)),
        ([b"9" * 6000], (), Shape(types=NUMBER)),
        ([True, False], (), Shape(types=BOOLEAN)),
        ([{"a": 1}, {"a": 1, "b": 2}], (), ("a",)),
        ([b'{"a": "\\ud83d"}'], ("a",), Shape(types=STRING, texts=("\N{REPLACEMENT CHARACTER}",))),
        ([[{"at": "2026-05-01T10:00:00+02:00"}]], (0, "at"), "date-time"),
        ([{"m": "a@example.com"}, {"m": "b@example.com"}], ("m",), "email"),
        ([{"m": "a@example.com"}, {"m": "nobody"}], ("m",), None),
    ],
)  # fmt: skip
def test_what_is_learned(documents: Sequence[Any], place: Sequence[str | int], expected: Any) -> None:
    from delta_server.core.schemas.texts import format_name

    shape: Shape | None = learned(*documents)
    for step in place:
        assert shape is not None
        shape = shape.items if isinstance(step, int) else shape.properties[step]
    assert shape is not None
    if isinstance(expected, Shape):
        assert shape == expected
    elif isinstance(expected, tuple):
        assert shape.required == expected
    else:
        assert format_name(shape.formats) == expected


def test_names_that_are_data_make_a_map() -> None:
    by_id = {"kind": "x", **{str(n): {"price": n, f"on-{n}": 1} for n in range(2000, 2200)}}
    shape = learned(by_id)
    assert set(shape.properties) == {"kind"}
    assert shape.rest is not None
    assert shape.rest.properties["price"].high == 2199


def _count(shape: Shape) -> int:
    below = [*shape.properties.values(), *(each for each in (shape.rest, shape.items) if each)]
    return 1 + sum(map(_count, below))


def test_hostile_documents_stay_within_the_bounds() -> None:
    learner = Learner()
    for n in range(40):
        below = {f"m{chr(97 + b)}{n}": {f"o{chr(97 + c)}{n}": c for c in range(12)} for b in range(12)}
        wide = {f"n{n}x{chr(97 + a)}": below for a in range(20)}
        learner.learn(msgspec.json.encode({"a": wide, f"v{n}": wide}))
    learner.learn(b"[" * 900 + b"]" * 900)
    learner.learn(b'{"a":' * 900 + b"1" + b"}" * 900)
    assert _count(learner.shape()) < 2 * nodes.LEVELS[0]
    assert len(encode(learner.shape())) < 1 << 20


def test_objects_below_the_last_level_are_only_objects() -> None:
    shape: Shape | None = learned(b'{"a":' * 30 + b"1" + b"}" * 30)
    depth = 0
    while shape is not None and (shape.properties or shape.rest):
        shape = shape.properties.get("a") or shape.rest
        depth += 1
    assert shape is not None
    assert (depth, shape.types) == (len(nodes.LEVELS) - 1, OBJECT)


HALF, WHOLE = b"\\ud83d", "\N{REPLACEMENT CHARACTER}".encode()
LONG = b'"%b"' % (b"x" * 3000)
HALVES = [
    ("a string", b'"a%b"'),
    ("a name", b'{"a%b": 1}'),
    ("of few bytes below", b'{"a": [1, {"b": "%b"}]}'),
    ("in an array that is split", b'[1, "%%b", %b, 2]' % LONG),
    ("in a long element", b'[1, ["%%b", %b], {"c": 3}]' % LONG),
    ("a name in an object that is split", b'{"a": %b, "b%%b": [2]}' % LONG),
    ("in a large document", b'{"a": [%b"%%b"], "z": 1}' % (b"%b, " % LONG * 200)),
]


@pytest.mark.parametrize("document", [row[1] for row in HALVES], ids=[row[0] for row in HALVES])
def test_half_a_character_is_read_as_the_one_for_what_is_unreadable(document: bytes) -> None:
    other = b'{"a": null, "d": 1}'
    expected = learned(document % WHOLE, other)
    assert learned(document % HALF, other) == expected
    assert learned(document % HALF, other, document % HALF) == expected
    assert learned(other, document % HALF) == expected


@pytest.mark.parametrize("split_from", [1, 40, 2048])
@settings(max_examples=60 * FUZZ, deadline=None)
@given(st.lists(values, min_size=2, max_size=5))
def test_what_documents_have_in_common_is_passed_over(split_from: int, documents: list[Any]) -> None:
    before, *later = [msgspec.json.encode({"a": each, "list": [each, {"b": each}]}) for each in documents]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "_SPLIT_FROM", split_from)
        learner = Learner(learned(before))
        for old, new in pairwise([before, *later]):
            learner.learn(new, old)
    assert learner.shape() == learned(before, *later)


def test_only_news_is_looked_at_behind_a_document_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [{"sku": f"a{n}", "price": n} for n in range(200)]
    before = msgspec.json.encode({"records": records})
    after = msgspec.json.encode({"records": [*records[:-1], {"sku": "a199", "price": 12.5}]})
    learner = Learner(learned(before))
    decoded: list[bytes] = []

    def noting(raw: bytes | msgspec.Raw) -> Any:
        decoded.append(bytes(raw))
        return msgspec.json.decode(raw)

    monkeypatch.setattr(learning, "decoded", noting)
    learner.learn(after, before)
    assert decoded == [b'{"sku":"a199","price":12.5}']
    assert learner.shape() == learned(before, after)
