"""What stands for a value where it is compared with others under the settings: equal forms mean that no difference is
left, MAX_LEVELS deep; below, the settings do not apply. Ignored places are gone from it, sets are in the order of
their elements, and numbers with a tolerance stand beside it, for "close enough" is no equality: 1.0 is close to 1.1 and
that to 1.2.
"""

from collections import defaultdict, deque
from collections.abc import Hashable
from decimal import Context, Decimal, InvalidOperation
from itertools import islice

import msgspec

from delta_server.core.arrays import subsequences
from delta_server.core.arrays.subsequences import Pair
from delta_server.core.diff.diff_settings import Rules
from delta_server.core.json import slices

MAX_LEVELS = 32
MAX_EDITS = 256  # the search for the best alignment of close numbers takes at most so many of them
_MAX_CANDIDATES = 64  # looked at for one element of a set
_CONTEXT = Context(prec=60, Emax=999_999_999_999_999_999, Emin=-999_999_999_999_999_999)

Number = tuple[Decimal, Decimal]
"""A number and its tolerance."""


class Form(msgspec.Struct, frozen=True, order=True):
    text: bytes
    numbers: tuple[Number, ...] = ()

    def is_close(self, other: "Form") -> bool:
        """Equal, or nothing differs but numbers within their tolerances."""
        if self.text != other.text:
            return False
        numbers = zip(self.numbers, other.numbers, strict=True)
        return all(a == b or _distance(a, b) <= tolerance for (a, tolerance), (b, _) in numbers)


def _distance(a: Decimal, b: Decimal) -> Decimal:
    try:
        return _CONTEXT.subtract(a, b).copy_abs()
    except ArithmeticError:
        return Decimal("Infinity")


def rounded(each: Form) -> Hashable:
    """The same for most forms that are close, and for few that are not."""
    try:
        return each.text, tuple(
            [_CONTEXT.divide(number, tolerance).to_integral_value() for number, tolerance in each.numbers]
        )
    except ArithmeticError:
        return each.text, each.numbers


def form(raw: bytes, rules: Rules | None, level: int = 0) -> Form:
    """The form of a value `level` levels below the one in question; `rules` are those at its place."""
    numbers: list[Number] = []
    text = _text(raw, rules, level, numbers)
    return Form(text, tuple(numbers))


def _text(raw: bytes, rules: Rules | None, level: int, numbers: list[Number]) -> bytes:
    if rules is None or not rules.alters or level >= MAX_LEVELS:
        return slices.canonical(raw)
    if raw[0] == slices.OPEN_OBJECT:
        parts = []
        for name, member in sorted(slices.members(raw).items()):
            below = rules.member(name)
            if below is None or not below.ignored:
                parts.append(msgspec.json.encode(name) + b":" + _text(bytes(member), below, level + 1, numbers))
        return b"{" + b",".join(parts) + b"}"
    if raw[0] == slices.OPEN_ARRAY:
        return _text_of_array(raw, rules, level + 1, numbers)
    if rules.tolerance and slices.kind(raw) == "number":
        return _text_of_number(raw, rules.tolerance, numbers)
    return slices.canonical(raw)


def _text_of_array(raw: bytes, rules: Rules, level: int, numbers: list[Number]) -> bytes:
    inner = rules.element()
    if inner is not None and inner.ignored:
        return b"[]"
    found = [form(bytes(element), inner, level) for element in slices.elements(raw)]
    if rules.is_set:
        found.sort()
    for each in found:
        numbers += each.numbers
    return b"[" + b",".join([each.text for each in found]) + b"]"


def _text_of_number(raw: bytes, tolerance: float, numbers: list[Number]) -> bytes:
    try:
        number = Decimal(raw.decode())
    except InvalidOperation:  # of an exponent without bounds: close to nothing else
        return slices.canonical(raw)
    numbers.append((number, Decimal(repr(tolerance))))
    return b"#"


def common(a: list[Form], b: list[Form]) -> list[Pair]:
    """Pairs of close elements in the order of both, as many as can be found."""
    if not any(each.numbers for each in a):
        return subsequences.common([each.text for each in a], [each.text for each in b])
    head = 0
    while head < min(len(a), len(b)) and a[head].is_close(b[head]):
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail].is_close(b[-1 - tail]):
        tail += 1
    inner_a, inner_b = a[head : len(a) - tail], b[head : len(b) - tail]
    inner = _shortest_edit_script(inner_a, inner_b)
    if inner is None:
        inner = subsequences.common(inner_a, inner_b)
    ends = [(i, i) for i in range(head)]
    tails = [(len(a) - k, len(b) - k) for k in range(tail, 0, -1)]
    return [*ends, *[(head + i, head + j) for i, j in inner], *tails]


def _shortest_edit_script(a: list[Form], b: list[Form]) -> list[Pair] | None:
    """By Myers' greedy search (1986); None where more than MOST_EDITS elements of both have no close one."""
    reach = {1: 0}
    history: list[dict[int, int]] = []
    for edits in range(min(len(a) + len(b), MAX_EDITS) + 1):
        history.append(reach.copy())
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and reach[k - 1] < reach[k + 1])
            i = reach[k + 1] if down else reach[k - 1] + 1
            while i < len(a) and i - k < len(b) and a[i].is_close(b[i - k]):
                i += 1
            reach[k] = i
            if i >= len(a) and i - k >= len(b):
                return _backtrack(history, len(a), len(b))
    return None


def _backtrack(history: list[dict[int, int]], i: int, j: int) -> list[Pair]:
    pairs: list[Pair] = []
    for edits in range(len(history) - 1, -1, -1):
        reach, k = history[edits], i - j
        down = k == -edits or (k != edits and reach[k - 1] < reach[k + 1])
        before_i = 0 if not edits else reach[k + 1 if down else k - 1]
        before_j = 0 if not edits else before_i - (k + 1 if down else k - 1)
        while i > before_i and j > before_j:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        i, j = before_i, before_j
    return pairs[::-1]


def paired(a: list[Form], b: list[Form]) -> list[Pair]:
    """Pairs of close elements whatever their order, in the order of `a`: equal ones in turn, close numbers from the
    smallest up."""
    if not any(each.numbers for each in a):
        return subsequences.paired([each.text for each in a], [each.text for each in b])
    waiting: defaultdict[bytes, deque[int]] = defaultdict(deque)
    for j in sorted(range(len(b)), key=lambda j: b[j].numbers):
        waiting[b[j].text].append(j)
    pairs = []
    for i in sorted(range(len(a)), key=lambda i: a[i].numbers):
        places = waiting[a[i].text]
        if a[i].numbers:
            first, tolerance = a[i].numbers[0]
            while places and (least := b[places[0]].numbers[0][0]) < first and _distance(first, least) > tolerance:
                places.popleft()
            if not places or ((least := b[places[0]].numbers[0][0]) > first and _distance(least, first) > tolerance):
                continue
        candidates = enumerate(islice(places, _MAX_CANDIDATES))
        place = next((n for n, j in candidates if a[i].is_close(b[j])), None)
        if place is not None:
            pairs.append((i, places[place]))
            del places[place]
    return sorted(pairs)
