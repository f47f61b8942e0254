"""The part of PromQL that is answered: selectors of two metrics, rate and increase of events, and sums.

delta_field{endpoint="GET /prices", path="/EUR"}
sum by (source) (rate(delta_events{event_type="bought"}[5m]))
"""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from delta_server.core.errors import Invalid

EVENTS, FIELD = "delta_events", "delta_field"
METRICS = (EVENTS, FIELD)
_NAME = "__name__"
LABELS = {EVENTS: ("event_type", "source"), FIELD: ("endpoint", "path", "record")}
MOST_CHARS = 2000
_TOKEN = re.compile(
    r'\s*(?:(?P<name>[A-Za-z_:][\w:]*)|(?P<text>"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')'
    r"|(?P<duration>\[[0-9a-z]{1,20}\])|(?P<sign>=~|!~|!=|[={}(),]))"
)
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
_ANYTHING = frozenset({".*", ".+", ""})
_PART = re.compile(r"\.\*(\w{1,50})\.\*")
"""As Grafana searches names of metrics by what is typed."""
_SPECIAL = re.compile(r"[.*+?()\[\]{}^$\\]")


class Matcher(msgspec.Struct, frozen=True):
    """The label has one of `values`, or none of them."""

    label: str
    values: tuple[str, ...]
    is_not: bool = False


class Selector(msgspec.Struct, frozen=True):
    metric: str
    matchers: tuple[Matcher, ...] = ()

    def only(self, label: str) -> str | None:
        """The one value that the label must have."""
        found = [one.values for one in self.matchers if one.label == label and not one.is_not]
        return found[0][0] if len(found) == 1 and len(found[0]) == 1 else None

    def finds(self, labels: Mapping[str, str]) -> bool:
        return all((labels.get(one.label, "") in one.values) is not one.is_not for one in self.matchers)


class Expression(msgspec.Struct, frozen=True):
    """`by` are the labels that a sum keeps, None without a sum."""

    selector: Selector
    function: Literal["rate", "increase", ""] = ""
    range_ms: int = 0
    by: tuple[str, ...] | None = None


def parse(text: str) -> Expression:
    """Raises Invalid."""
    reader = _Reader(text)
    found = reader.expression()
    reader.end()
    if found.selector.metric == EVENTS and not found.function:
        raise _wrong(f"{EVENTS} is counted over time: rate({EVENTS}[5m]) or increase({EVENTS}[1h])")
    if found.selector.metric == FIELD and found.function:
        raise _wrong(f"{FIELD} is a value, not a counter: it has no {found.function}")
    return found


def parse_selectors(text: str) -> list[Selector]:
    """One of each metric that is found: several of `{__name__!=""}`. Raises Invalid."""
    reader = _Reader(text)
    found = reader.selectors()
    reader.end()
    return found


def duration_ms(text: str) -> int:
    """`90s`, `1h30m`, or a number of seconds. Raises Invalid."""
    if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text):
        return round(float(text) * 1000)
    parts = re.findall(r"(\d{1,9})(ms|[smhdwy])", text)
    if not parts or "".join(map("".join, parts)) != text:
        raise _wrong(f'"{text[:50]}" is not a duration such as 5m')
    return sum(int(count) * _UNITS_MS[unit] for count, unit in parts)


def _wrong(message: str) -> Invalid:
    return Invalid(message, field="query")


class _Reader:
    def __init__(self, text: str) -> None:
        if len(text) > MOST_CHARS:
            raise _wrong(f"the query has more than {MOST_CHARS} characters")
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text.rstrip()):
            match = _TOKEN.match(text, place)
            if match is None:
                raise _wrong(f'"{text[place : place + 20].strip()}" is not understood here: {_KNOWN}')
            self._tokens.append((match.lastgroup or "", match[match.lastgroup or 0]))
            place = match.end()
        self._place = 0

    def _next(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("", "")

    def _take(self, sign: str) -> bool:
        if self._next()[1] == sign and self._next()[0] in ("sign", "name"):
            self._place += 1
            return True
        return False

    def _want(self, sign: str) -> None:
        if not self._take(sign):
            raise _wrong(f'"{sign}" is missing before "{self._next()[1]}": {_KNOWN}')

    def end(self) -> None:
        if self._place < len(self._tokens):
            raise _wrong(f'"{self._next()[1]}" is not understood here: {_KNOWN}')

    def expression(self) -> Expression:
        if self._take("sum"):
            by = self._labels() if self._take("by") else None
            self._want("(")
            inner = self.expression()
            self._want(")")
            by = self._labels() if by is None and self._take("by") else by
            if inner.by is not None:
                raise _wrong(f"a sum of a sum is not answered: {_KNOWN}")
            return msgspec.structs.replace(inner, by=by or ())
        if self._take("rate"):
            return self._over_time("rate")
        if self._take("increase"):
            return self._over_time("increase")
        return Expression(self.selector())

    def _over_time(self, function: Literal["rate", "increase"]) -> Expression:
        self._want("(")
        selector = self.selector()
        kind, text = self._next()
        if kind != "duration":
            raise _wrong(f"{function} is of a range, such as {EVENTS}[5m]")
        self._place += 1
        self._want(")")
        range_ms = duration_ms(text[1:-1])
        if range_ms < 1000:
            raise _wrong("a range has a second at least")
        return Expression(selector, function, range_ms)

    def _labels(self) -> tuple[str, ...]:
        self._want("(")
        found: list[str] = []
        while not self._take(")"):
            kind, name = self._next()
            if kind != "name":
                raise _wrong(f"by has names of labels in parentheses: {_KNOWN}")
            self._place += 1
            found.append(name)
            self._take(",")
        return tuple(found)

    def selector(self) -> Selector:
        found = self.selectors()
        if len(found) != 1:
            raise _wrong(f"one metric is evaluated at a time: {_KNOWN}")
        return found[0]

    def selectors(self) -> list[Selector]:
        kind, name = self._next()
        matchers: list[Matcher] = []
        if kind == "name":
            self._place += 1
            matchers.append(Matcher(_NAME, (name,)))
            if name not in METRICS and self._next()[1] in ("(", "by", "without"):
                raise _wrong(f"{name[:50]}(...) is not answered: {_KNOWN}")
        if self._take("{"):
            while not self._take("}"):
                matchers.append(self._matcher())
                self._take(",")
        elif kind != "name":
            raise _wrong(f'"{name[:50]}" is not understood here: {_KNOWN}')
        return _of_metrics(matchers)

    def _matcher(self) -> Matcher:
        (_, label), (_, sign), (kind, text) = (self._tokens + [("", "")] * 3)[self._place : self._place + 3]
        if sign not in ("=", "!=", "=~", "!~") or kind != "text":
            raise _wrong(f'a label is written {{name="value"}}: {_KNOWN}')
        self._place += 3
        value = re.sub(r"\\(.)", r"\1", text[1:-1])
        if label == _NAME and (part := _PART.fullmatch(text[1:-1])) and sign == "=~":
            return Matcher(label, tuple(one for one in METRICS if part[1] in one) or ("",))
        if sign in ("=", "!="):
            return Matcher(label, (value,) if value or label == "record" else (), sign == "!=")
        return Matcher(label, _alternatives(text[1:-1]), sign == "!~")


def _of_metrics(matchers: list[Matcher]) -> list[Selector]:
    """Raises Invalid for a metric or a label that there is none of."""
    names = [one for one in matchers if one.label == _NAME and one.values]
    kept = tuple(one for one in matchers if one.label != _NAME)
    metrics = [one for one in METRICS if all((one in name.values) is not name.is_not for name in names)]
    exact = next((one.values[0] for one in names if not one.is_not and one.values[0] not in ("", *METRICS)), None)
    if exact is not None:
        raise _wrong(f'"{exact[:50]}" is not a known metric: {" and ".join(METRICS)} are')
    found = [metric for metric in metrics if all(one.label in LABELS[metric] for one in kept)]
    if metrics and not found:
        unknown = next(one.label for one in kept if one.label not in LABELS[metrics[0]])
        known = "; ".join(f"those of {metric} are {', '.join(LABELS[metric])}" for metric in metrics)
        raise _wrong(f"there is no label {unknown[:50]}: {known}")
    return [Selector(metric, tuple(one for one in kept if one.values)) for metric in found]


def _alternatives(pattern: str) -> tuple[str, ...]:
    """Of a pattern that is a list of values (as Grafana's variables of several values are); none for any value."""
    pattern = pattern.replace("\\\\", "\\")
    if pattern in _ANYTHING:
        return ()
    pattern = pattern[1:-1] if pattern.startswith("(") and pattern.endswith(")") else pattern
    parts = [re.sub(r"\\(.)", "\0\\1", part) for part in pattern.split("|")]
    if any(_SPECIAL.search(re.sub("\0.", "", part)) for part in parts):
        raise _wrong('of patterns only lists of values are answered: =~"a|b"')
    return tuple(part.replace("\0", "") for part in parts)


_KNOWN = (
    f'what is answered is {FIELD}{{endpoint="...",path="..."}}, rate({EVENTS}{{...}}[5m]), increase(...), and sum by '
    "(label) (...) of them"
)
