import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import BadRequest, Invalid
from delta_server.core.expressions.expression import Expression, holds, transform
from delta_server.core.expressions.functions import EvaluationFailed

QUAKES = {
    "generated": 1,
    "features": [
        {"id": "a", "mag": 4.9, "tags": ["x", "y"], "place": {"name": "Oslo", "deep": None}},
        {"id": "b", "mag": 5, "tags": [], "place": {"name": "Rome"}},
        {"id": "c", "mag": 4.9, "tags": ["z"], "place": None},
        {"id": "d", "tags": None},
    ],
    "empty": {},
    "names": ["b", "a", "ä", "b"],
    "numbers": [3, 1, 2.5, -7],
    "odd": ["1", 1, True, None, [1], {"a": 1}],
    "nested": [[1, [2]], 3, [4]],
    "0": "zero",
}

JUDGED = """
@
features[0].id
features[-1].id
features[99].id
features[*].mag
features[].tags[]
features[*].tags[*]
features[].tags | [0]
features[1:3].id
features[::-1].id
features[::2].id
features[-2:].id
names[5:1:-2]
"0"
"0"[0]
nested[]
nested[][]
nested[].[@]
features[?mag > `4.9`].id
features[?mag >= `4.9`].id
features[?mag < `5`].id
features[?mag <= `4.9`] | length(@)
features[?mag == `5.0`].id
features[?mag != `4.9`].id
features[?place.name == 'Rome'].id
features[?tags].id
features[?!tags].id
features[?contains(not_null(tags, `[]`), 'x')].id
features[*].place.*
empty.*
*.name
*[0]
place || generated || id
missing || 'none'
generated && features[0].id
missing && 'no'
!missing
!generated
!`0`
!''
{n: length(features), ids: features[*].id, first: features[0].{id: id, m: mag}}
features[*].[id, mag]
missing.{a: b}
missing.[a]
odd[?@ == `1`]
odd[?@ == `true`]
odd[?@ == `[1]`]
odd[?@ == `{"a": 1.0}`]
odd[*].type(@)
odd[?type(@) == 'number']
'a' < 'b'
'2' < '10'
`1` < `2`
abs(`-3`)
avg(numbers[:2])
avg(`[]`)
ceil(`1.2`)
ceil(`-1.2`)
floor(`1.8`)
floor(`-1.2`)
contains(names, 'a')
contains('abc', 'bc')
ends_with('abc', 'c')
starts_with('abc', 'c')
join(', ', names)
keys(empty)
keys(features[0])
values(features[0].place)
length('äb')
length(empty)
map(&mag, features)
map(&id, features)
max(numbers)
max(names)
min(numbers)
min(`[]`)
max_by(features[?mag], &mag).id
min_by(features[?mag], &mag).id
merge(features[0], {id: 'other', new: `1`}) | keys(@)
not_null(missing, generated)
reverse(names)
reverse('abc')
sort(names)
sort(numbers)
sort_by(features[?mag], &mag)[*].id
sort_by(features, &id)[0].id
sum(numbers)
sum(`[]`)
to_array('a')
to_array(names)
to_number('12')
to_number('1.50')
to_number('x')
to_number(names)
to_string(numbers)
to_string('a')
`"quoted"`
`{"a": [1, null]}`.a
'it\\'s'
features[0].place.deep
features[*].place.name | sort(@) | join('/', @)
features[?mag > `4` && place.name].id
features[?mag == `5` || id == 'd'].id
(features[0] | id) || 'x'
""".strip().splitlines()


def _floats(value: Any) -> Any:
    return json.loads(json.dumps(value, default=float))


@pytest.mark.parametrize("text", JUDGED)
def test_values_are_those_of_jmespath(text: str) -> None:
    assert _floats(Expression(text).value(QUAKES)) == jmespath.search(text, QUAKES)
    assert json.loads(transform(text, json.dumps(QUAKES).encode())) == jmespath.search(text, QUAKES)


_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(-2, 2).map(lambda f: round(f, 1))
    | st.sampled_from("abx")
)
_TREES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abx"), inner, max_size=3)
)
_TEXTS = st.recursive(
    st.sampled_from(["a", "b", "x", "@", "*", "[0]", "[-1]", "[]", "[*]", "[1:]", "`1`", "`true`", "'a'"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" | ", " || ", " && ", " == ", " != "]), inner).map("".join),
        inner.map(lambda one: f"!({one})"),
        inner.map(lambda one: f"[{one}, a]"),
        inner.map(lambda one: f"{{k: {one}}}"),
        inner.map(lambda one: f"@[?{one}]"),
        inner.map(lambda one: f"type({one})"),
        inner.map(lambda one: f"to_array({one})"),
    ),
    max_leaves=6,
)


@given(_TEXTS, _TREES)
def test_values_of_any_expression_are_those_of_jmespath(text: str, document: Any) -> None:
    assert _floats(Expression(text).value(document)) == jmespath.search(text, document)


@pytest.mark.parametrize(
    ("text", "document", "expected"),
    [
        (
            "{a: a, b: b[1]}",
            b'{"a": 1.10, "b": [0, 12345678901234567890.10]}',
            b'{"a":1.10,"b":12345678901234567890.10}',
        ),
        ("a", b'{"a": 1e400}', b"1E+400"),
        ("sum(@)", b"[0.1, 0.2, 9007199254740993]", b"9007199254740993.3"),
        ("[?@ > `0.1`]", b"[0.1, 0.10000000000000001]", b"[0.10000000000000001]"),
        ("max(@)", b"[9007199254740992, 9007199254740993]", b"9007199254740993"),
        ("ceil(@)", b"1e400", b"1E+400"),
        ("@", b'"\\ud83d"', b'"\\ud83d"'),
        (r'"\ud83d"', b'{"\\ud83d": 1}', b"1"),
        ("[b, a, @]", b'{"b": 1, "a": 2}', b'[1,2,{"b":1,"a":2}]'),
        ("a < b", b'{"a": 1, "b": "2"}', b"null"),
        ("[?a > `1`]", b'[{"a": "x"}, {"a": 2}, {}]', b'[{"a":2}]'),
        ("contains(@, `2`)", b'"12"', b"false"),
        ("missing", b"{}", b"null"),
        ("a", b'{"a": 1, "a": 2}', b"2"),
    ],
)
def test_transforms_keep_digits_order_and_halves(text: str, document: bytes, expected: bytes) -> None:
    assert transform(text, document) == expected


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "it is empty"),
        (" ", "it is empty"),
        ("a b", r"b is not expected there \(character 3\)"),
        ("a[?b = c]", r"unknown token '=' \(character 6\)"),
        ("a.", "ends too early"),
        ("foo[1", "ends too early"),
        ("'abc", r"unclosed ' delimiter \(character 1\)"),
        ("lenght(a)", r"lenght\(\) is not a function of JMESPath \(length\?\)"),
        ("length(a, b)", "takes 1 argument, and was given 2"),
        ("merge()", "takes 1 or more arguments, and was given 0"),
        ("&a", "&expression is what"),
        ("length(&a)", "&expression is what"),
        ("sort_by(a, b)", "&expression is what"),
        ("[::0]", "must not be 0"),
        ("`NaN`", "NaN and Infinity"),
        ("!" * 900 + "a", "more than 100 levels"),
        ("`" + "[" * 1900 + "]" * 1900 + "`", "more than 100 levels"),
        ("a" + "|a" * 101, "more than 100 levels"),
        ("[" + "a,a," * 900 + "a]", "more than 1,000 parts"),
        ("a" * 5000, "5,000 characters"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text: str, wrong: str) -> None:
    with pytest.raises(Invalid, match=wrong) as refused:
        Expression(text, field="polling.transform")
    assert refused.value.errors[0].field == "polling.transform"


@given(st.text("ab.[]*?|&!@(){}:,`'\"<>=-0123 \\\u00e4\u2028", max_size=30))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    with suppress(Invalid):
        Expression(text).value(QUAKES)


DOUBLED = "|".join(["[@,@]"] * 60)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (DOUBLED, "more than 20,000 steps"),
        (f"{DOUBLED}|[@ == @]", "more than 20,000 steps"),
        (f"{DOUBLED}|to_string(@)", "more than 20,000 steps"),
        (f"{DOUBLED}|contains([@], @)", "more than 20,000 steps"),
        (f"{DOUBLED}|{'|'.join(['[]'] * 30)}", "more than 20,000 steps"),
        ("to_string(@)|" + "|".join(["join(@,[@,@])"] * 60), "more than 20,000 steps"),
        ("|".join(["{a:@}"] * 50), None),
        ("sum(@)", r"sum\(\) takes array of number, and was given an array of number and string"),
        ("sort_by([{a: `1`}, {a: 'x'}], &a)", "orders numbers or strings, and was given number and string"),
        ("max_by([{a: `null`}], &a)", "given null"),
        ("length(missing)", "takes string or array or object, and was given null"),
        ("join('', @)", "given an array of number and string"),
    ],
)
def test_work_and_types_are_bounded(text: str, wrong: str | None) -> None:
    if wrong is None:
        assert Expression(text).value([1, "a"], max_steps=20_000)
        return
    with pytest.raises(EvaluationFailed, match=wrong):
        Expression(text).value([1, "a"], max_steps=20_000)


def test_results_are_bounded_in_size_and_depth() -> None:
    with pytest.raises(EvaluationFailed, match="9 bytes, and at most 8"):
        transform("@", b'"1234567"', max_bytes=8)
    with pytest.raises(EvaluationFailed, match="more than 512 levels"):
        transform("|".join(["[@]"] * 99), b"[" * 450 + b"]" * 450)
    with pytest.raises(EvaluationFailed, match="thousands of digits"):
        transform("sum(@)", b"[" + b",".join([b"9" * 4300] * 11) + b"]")


@pytest.mark.parametrize("document", [b"", b"{", b"[NaN]", b"[" * 100_000, b"1e99999999999999999999", b"9" * 5000])
def test_documents_that_are_none_are_refused(document: bytes) -> None:
    with pytest.raises(BadRequest):
        transform("@", document)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", True), ("b", False), ("c", False), ("d", True), ("a == `1`", True), ("missing", False), ("a > `0.9`", True)],
)
def test_conditions_are_true_of_all_but_what_is_empty(text: str, expected: bool) -> None:
    assert holds(text, b'{"a": 1, "b": [], "c": "", "d": 0}') is expected
    assert Expression(text).is_true({"a": 1, "b": [], "c": "", "d": 0}) is expected


def test_floats_of_code_are_the_numbers_they_are_written_like() -> None:
    assert Expression("a == `0.1` && a < `0.1000000001`").is_true({"a": 0.1})
    assert Expression("a").value({"a": Decimal("1.10")}) == Decimal("1.10")
