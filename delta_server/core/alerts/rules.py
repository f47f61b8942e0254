"""Rules of alerts: what makes one raise and clear, and who hears of it when. Each kind has its fields, and no others.

Most kinds judge versions of a document, one after the other; `silence`, `metric` and `usual` judge time as it passes,
and `anomaly` what was found without configuration, of an endpoint or of events.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

from delta_server.core import times
from delta_server.core.alerts import quiet_hours
from delta_server.core.alerts.quiet_hours import Digest, Quiet
from delta_server.core.errors import Invalid
from delta_server.core.expressions.expression import MAX_CHARS, Expression
from delta_server.core.history import series
from delta_server.core.json.pointer import MAX_PATH_CHARS
from delta_server.core.json_schema import documented
from delta_server.core.query.aggregates import AggregateRequest

Kind: TypeAlias = Literal[
    "threshold",
    "change",
    "high",
    "low",
    "appears",
    "disappears",
    "matches",
    "places",
    "similarity",
    "silence",
    "metric",
    "usual",
    "anomaly",
]
KINDS: tuple[str, ...] = get_args(Kind)
Op: TypeAlias = Literal["gt", "gte", "lt", "lte"]

MOST_IN_A_ROW = 1000
MOST_TELL = 20
MAX_BYTES = 16 << 10
SHORTEST_SILENCE_MS, LONGEST_SILENCE_MS = 60_000, 400 * times.DAY_MS
DEVIATIONS = 3.0
"""How far from the median is usual still, in deviations as a normal distribution has them."""
_LONGEST_NAME = 200

_NEEDS: Mapping[str, frozenset[str]] = {
    "threshold": frozenset({"path", "op", "value"}),
    "change": frozenset({"path", "value"}),
    "high": frozenset({"path"}),
    "low": frozenset({"path"}),
    "appears": frozenset({"path"}),
    "disappears": frozenset({"path"}),
    "matches": frozenset({"path", "expression"}),
    "places": frozenset({"value"}),
    "similarity": frozenset({"value"}),
    "silence": frozenset({"length"}),
    "metric": frozenset({"query", "op", "value"}),
    "usual": frozenset({"query"}),
    "anomaly": frozenset(),
}
_MAY: Mapping[str, frozenset[str]] = {
    "silence": frozenset({"of"}),
    "usual": frozenset({"value"}),
    "anomaly": frozenset({"path", "value"}),
}
MAY_SWEEP = frozenset({"usual", "anomaly"})
"""Kinds that have a limit where none is said."""
_IN_A_ROW = frozenset({"threshold", "appears", "disappears", "matches", "metric", "usual"})
"""Kinds whose condition can last."""
_CLEAR_VALUE = frozenset({"threshold", "metric"})
OF_PATHS = frozenset(kind for kind, needs in _NEEDS.items() if "path" in needs)
OF_DELTAS = frozenset({"places", "similarity"})
OF_VERSIONS = OF_PATHS | OF_DELTAS
OF_EVENTS = frozenset({"metric", "usual"})
OF_EITHER = OF_EVENTS | {"anomaly"}
"""Kinds that name no endpoint, or need not."""
OF_ENDPOINTS = frozenset(KINDS) - OF_EVENTS
LASTING = frozenset({"threshold", "matches"})
"""Kinds of which the version in force says whether they are raised: a new rule is judged by it at once."""
_WIRE = {"length": "for"}

InARow: TypeAlias = Annotated[int, Meta(ge=1, le=MOST_IN_A_ROW)]


class Clear(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ends an alert: a value beyond this one, in the other direction than the rule's, in so many versions in a
    row. Without a value: one that the rule does not raise for."""

    value: float | None = None
    in_a_row: InARow = 1


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=_WIRE):
    """`kind` says which of the others there are. `in_a_row` versions must meet the condition; `tell` names the webhooks
    that hear of it, by id or name: without any, those that hear of `alert.raised`."""

    kind: Kind
    path: Annotated[str, documented(maxLength=MAX_PATH_CHARS)] | None = None
    op: Op | None = None
    value: float | None = None
    expression: Annotated[str, documented(maxLength=MAX_CHARS)] | None = None
    length: Annotated[str, documented(maxLength=20)] | None = None
    of: Literal["snapshots", "versions"] | None = None
    query: AggregateRequest | None = None
    in_a_row: InARow = 1
    clear: Clear | None = None
    quiet: Quiet | None = None
    digest: Digest | None = None
    tell: Annotated[tuple[str, ...], Meta(max_length=MOST_TELL)] = ()

    @property
    def lowers(self) -> bool:
        """Whether lower is worse."""
        return self.op in ("lt", "lte") or self.kind in ("low", "similarity")

    @property
    def condition(self) -> tuple[object, ...]:
        """What it is judged by, all but whom it tells and when."""
        named = ("kind", "path", "op", "value", "expression", "length", "of", "query", "in_a_row", "clear")
        return tuple(getattr(self, name) for name in named)


def check(rule: Rule) -> Rule:
    """Raises Invalid, naming the field."""
    _check_fields(rule)
    if rule.path is not None:
        steps = series.parse(rule.path).steps
        if not steps and rule.kind != "matches":
            raise Invalid("path must name a field, as in /metadata/count or /items/*/price", field="path")
    if rule.expression is not None:
        Expression(rule.expression, field="expression")
    _check_value(rule)
    if rule.length is not None and not SHORTEST_SILENCE_MS <= silence_ms(rule) <= LONGEST_SILENCE_MS:
        raise Invalid("for must be from 1m to 400d", field="for")
    if rule.quiet is not None:
        quiet_hours.check(rule.quiet)
    if rule.digest is not None:
        quiet_hours.check_digest(rule.digest)
    for at, name in enumerate(rule.tell):
        if not 0 < len(name) <= _LONGEST_NAME:
            raise Invalid("must be the id or name of a webhook", field=f"tell[{at}]")
    if len(msgspec.json.encode(rule)) > MAX_BYTES:
        raise Invalid(f"a rule may have {MAX_BYTES >> 10} kB: ask a shorter query", field="query")
    return rule


def silence_ms(rule: Rule) -> int:
    return times.parse_length(rule.length or "", field="for")


def _check_fields(rule: Rule) -> None:
    needs = _NEEDS[rule.kind]
    for name in ("path", "op", "value", "expression", "length", "of", "query"):
        wire, is_there = _WIRE.get(name, name), getattr(rule, name) is not None
        if is_there and name not in needs | _MAY.get(rule.kind, frozenset()):
            raise Invalid(f"{wire} is no part of a rule of the kind {rule.kind}: leave it out", field=wire)
        if not is_there and name in needs:
            raise Invalid(f"a rule of the kind {rule.kind} needs {wire}", field=wire)
    if rule.kind not in _IN_A_ROW and (rule.in_a_row > 1 or rule.clear is not None):
        name = "clear" if rule.clear is not None else "in_a_row"
        raise Invalid(f"{name} is no part of a rule of the kind {rule.kind}: leave it out", field=name)
    if rule.clear is not None and rule.clear.value is not None and rule.kind not in _CLEAR_VALUE:
        raise Invalid(f"a rule of the kind {rule.kind} has no clear.value: leave it out", field="clear.value")


_ABOVE_0 = {
    "change": "a share in percent",
    "usual": "how many deviations are usual",
    "anomaly": "how many deviations off it is at least",
}


def _check_value(rule: Rule) -> None:
    value, clear = rule.value, rule.clear.value if rule.clear else None
    for field, number in (("value", value), ("clear.value", clear)):
        if number is not None and not math.isfinite(number):
            raise Invalid(f"{field} must be a number that a double can hold", field=field)
    if value is None:
        return
    if rule.kind in _ABOVE_0 and value <= 0:
        raise Invalid(f"value must be {_ABOVE_0[rule.kind]}, above 0", field="value")
    if rule.kind == "places" and value < 0:
        raise Invalid("value must be a number of places, 0 or more", field="value")
    if rule.kind == "similarity" and not 0 < value <= 1:
        raise Invalid("value must be a similarity above 0, up to 1", field="value")
    if clear is not None and (clear < value if rule.lowers else clear > value):
        way = "at or over" if rule.lowers else "at or under"
        raise Invalid(f"clear.value must lie {way} the value that raises, or it would raise and clear at once",
                      field="clear.value")  # fmt: skip


def with_value(rule: Rule, value: float) -> Rule:
    """The same rule with another limit: what clears it moves along."""
    clear = rule.clear
    if clear is not None and clear.value is not None and rule.value is not None:
        clear = msgspec.structs.replace(clear, value=clear.value + value - rule.value)
    return msgspec.structs.replace(rule, value=value, clear=clear)


_OPS = {"gt": "over", "gte": "at least", "lt": "under", "lte": "at most"}


def limit_text(rule: Rule) -> str:
    """What raises it, behind a field's name or a value: `over 137`."""
    number = "" if rule.value is None else f"{rule.value:.15g}"
    texts = {
        "change": f"changed by more than {number} %",
        "high": "a new high",
        "low": "a new low",
        "appears": "appeared",
        "disappears": "disappeared",
        "matches": f"meets {(rule.expression or '')[:100]}",
        "places": f"changed in more than {number} places",
        "similarity": f"similarity under {number}",
        "silence": f"no {'version' if rule.of == 'versions' else 'snapshot'} for {rule.length}",
        "usual": "out of its usual range",
        "anomaly": f"unusual by {number} deviations or more" if number else "unusual",
    }
    return texts.get(rule.kind) or f"{_OPS[rule.op or 'gt']} {number}"
