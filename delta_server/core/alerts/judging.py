"""Judging versions by a rule, one after the other: which alerts are raised by each, and which cleared.

A path with `*` is judged record by record. What is kept between versions is the Memory, which is small: records that
are raised or on their way there, up to MOST_RAISED and MOST_WATCHED of them.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Literal

import msgspec

from delta_server.core.alerts.rules import Rule, silence_ms
from delta_server.core.errors import BadRequest, Invalid
from delta_server.core.expressions import expression
from delta_server.core.json import short_values, slices

MOST_RAISED, MOST_WATCHED = 100, 1000
"""Records of one rule at a time. Those beyond are raised when others have cleared, if they still are to be."""
MOST_MATCHED = 1000
"""Records of a version that an expression is asked about: three seconds at worst."""
MOST_RECENT = 40
"""Numbers judged last that are kept to be looked at."""
VALUE_BYTES = 400
MATCH_STEPS = 2_000
_MATCHES_CACHED = 10_000
_NOTHING: Mapping[str, bytes] = {}


class Standing(msgspec.Struct, array_like=True):
    """`streak` counts versions in a row that would raise a record, or clear it when it is `raised`. `most` is the text
    of the value that went furthest since."""

    streak: int = 0
    raised: bool = False
    most: str | None = None


class Memory(msgspec.Struct):
    """`standings` by record, `` for a path without `*`; `extreme` the greatest or least number there was. `last` is the
    measure of what was judged last, which was of `seen_at`; `recent` those before it and it, the newest last. `begun`
    says of each series when the anomaly began that was raised last."""

    standings: dict[str, Standing] = {}
    extreme: float | None = None
    last: float | None = None
    seen_at: int | None = None
    recent: list[float | None] = []
    begun: dict[str, int] = {}

    def note(self, at_ms: int, number: float | None) -> None:
        """What was judged, and its measure."""
        self.seen_at, self.last = at_ms, number
        self.recent = [*self.recent, number][-MOST_RECENT:]


class Version(msgspec.Struct, frozen=True):
    """What one version has, by record; `before` is what the version before it has, None where there is none. `usual` is
    the range in which a number is."""

    reading: Mapping[str, bytes]
    before: Mapping[str, bytes] | None = None
    usual: tuple[float, float] | None = None


class Verdict(msgspec.Struct, frozen=True):
    """`value` is the JSON at the record now, None where nothing is; `most` the one that went furthest."""

    record: str
    what: Literal["raised", "cleared", "grew"]
    value: str | None
    most: str | None


class _Judged(msgspec.Struct, frozen=True):
    raises: bool
    clears: bool


class Judge:
    """Goes on from a memory, which it changes."""

    def __init__(self, rule: Rule, memory: Memory) -> None:
        self._rule = rule
        self.memory = memory

    def step(self, version: Version) -> list[Verdict]:
        """What the next version does, by record."""
        rule, standings = self._rule, self.memory.standings
        if rule.kind in ("high", "low"):
            version = msgspec.structs.replace(version, reading=_furthest(rule, version.reading))
        verdicts: list[Verdict] = []
        raised = sum(standing.raised for standing in standings.values())
        for record in self._records(version):
            standing = standings.get(record) or Standing()
            now = version.reading.get(record)
            judged = self._judged(standing, record, version)
            verdict = _moved(rule, standing, judged, record, now, may_raise=raised < MOST_RAISED)
            if verdict is not None:
                raised += (verdict.what == "raised") - (verdict.what == "cleared")
                verdicts.append(verdict)
            if not standing.raised and not standing.streak:
                standings.pop(record, None)
            elif record in standings or len(standings) < MOST_WATCHED:
                standings[record] = standing
        return verdicts

    @property
    def is_raised(self) -> bool:
        return any(standing.raised for standing in self.memory.standings.values())

    def _records(self, version: Version) -> Iterable[str]:
        """Those that may move; those that are watched first, so that who cleared makes room."""
        if self._rule.kind in ("high", "low") or not _is_of_records(self._rule):
            return ("",)
        there, before = set(version.reading), set(version.before or _NOTHING)
        if self._rule.kind == "appears":
            there = there - before if version.before is not None else set()
        elif self._rule.kind == "disappears":
            there = before - there
        others = sorted(there - self.memory.standings.keys())
        return [*self.memory.standings, *(others[:MOST_MATCHED] if self._rule.kind == "matches" else others)]

    def _judged(self, standing: Standing, record: str, version: Version) -> _Judged:
        rule, now = self._rule, version.reading.get(record)
        before = None if version.before is None else version.before.get(record)
        if rule.kind == "appears":
            is_new = version.before is not None and before is None
            return _Judged(now is not None and (is_new or standing.streak > 0), now is None)
        if rule.kind == "disappears":
            return _Judged(now is None and (before is not None or standing.streak > 0), now is not None)
        if rule.kind == "matches":
            return _either(now is not None and matches(rule.expression or "", now))
        number = _number(now)
        if rule.kind == "change":
            return _either(_change_percent(_number(before), number) > (rule.value or 0))
        if rule.kind in ("high", "low"):
            return _either(self._is_extreme(number))
        if rule.kind == "silence":
            return _either(number is not None and number * 1000 >= silence_ms(rule))
        if rule.kind == "usual":
            low, high = version.usual or (-float("inf"), float("inf"))
            return _either(number is not None and not low <= number <= high)
        return _Judged(number is not None and _is_over(rule, number), number is None or _is_clear(rule, number))

    def _is_extreme(self, number: float | None) -> bool:
        known = self.memory.extreme
        if number is None:
            return False
        further = known is None or (number < known if self._rule.lowers else number > known)
        if further:
            self.memory.extreme = number
        return further and known is not None


def _moved(
    rule: Rule, standing: Standing, judged: _Judged, record: str, now: bytes | None, *, may_raise: bool
) -> Verdict | None:
    """Move a standing on by one version."""
    value = None if now is None else short_values.shortened(now, VALUE_BYTES).decode()
    if not standing.raised:
        standing.streak = min(standing.streak + 1, rule.in_a_row) if judged.raises else 0
        if not standing.streak or standing.streak < rule.in_a_row or not may_raise:
            return None
        standing.streak, standing.raised, standing.most = 0, True, value
        return Verdict(record, "raised", value, value)
    standing.streak = standing.streak + 1 if judged.clears else 0
    if standing.streak >= (rule.clear.in_a_row if rule.clear else 1):
        most = standing.most
        standing.streak, standing.raised, standing.most = 0, False, None
        return Verdict(record, "cleared", value, most)
    if _is_further(rule, now, standing.most):
        standing.most = value
        return Verdict(record, "grew", value, value)
    return None


def measure(rule: Rule, version: Version) -> float | None:
    """The number of a version that a chart of the rule draws: of several records that which goes furthest; 1 or 0
    where something is there, or matches."""
    if rule.kind in ("appears", "disappears"):
        return float(bool(version.reading))
    if rule.kind == "matches":
        some = islice(version.reading.values(), MOST_MATCHED)
        return float(any(matches(rule.expression or "", raw) for raw in some))
    numbers = [number for raw in version.reading.values() if (number := _number(raw)) is not None]
    return (min if rule.lowers else max)(numbers, default=None)


@lru_cache(_MATCHES_CACHED)
def matches(text: str, raw: bytes) -> bool:
    """Whether an expression is true of a value. One that cannot be evaluated, or takes too long, is not."""
    try:
        return expression.holds(text, raw, max_steps=MATCH_STEPS)
    except (Invalid, BadRequest):
        return False


def _either(raises: bool) -> _Judged:
    return _Judged(raises, not raises)


def _is_over(rule: Rule, number: float) -> bool:
    limit = rule.value or 0.0
    if rule.op is None:
        return number < limit if rule.lowers else number > limit
    return {"gt": number > limit, "gte": number >= limit, "lt": number < limit, "lte": number <= limit}[rule.op]


def _is_clear(rule: Rule, number: float) -> bool:
    limit = rule.clear.value if rule.clear else None
    if limit is None:
        return not _is_over(rule, number)
    return number > limit if rule.lowers else number < limit


def _is_further(rule: Rule, now: bytes | None, most: str | None) -> bool:
    number, known = _number(now), _number(None if most is None else most.encode())
    if number is None or known is None:
        return False
    return number < known if rule.lowers else number > known


def _change_percent(before: float | None, now: float | None) -> float:
    if before is None or now is None or before == now:
        return 0.0
    return abs(now - before) / abs(before) * 100 if before else float("inf")


def _furthest(rule: Rule, reading: Mapping[str, bytes]) -> Mapping[str, bytes]:
    numbers = [(number, raw) for raw in reading.values() if (number := _number(raw)) is not None]
    return {"": (min if rule.lowers else max)(numbers)[1]} if numbers else {}


def _number(raw: bytes | None) -> float | None:
    return float(raw) if raw is not None and slices.kind(raw) == "number" else None


def _is_of_records(rule: Rule) -> bool:
    return rule.path is not None and "*" in rule.path.split("/")
