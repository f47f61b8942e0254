"""Types of what webhooks can be sent, and the patterns that choose among them."""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias, get_args

from delta_server.core.errors import Invalid

Kind: TypeAlias = Literal[
    "snapshot.created",
    "snapshot.unchanged",
    "delta.created",
    "delta.significant",
    "field.changed",
    "endpoint.created",
    "endpoint.updated",
    "endpoint.deleted",
    "endpoint.restored",
    "event.created",
    "poll.failed",
    "poll.recovered",
    "alert.raised",
    "alert.cleared",
    "alert.digest",
    "anomaly.found",
    "schema.changed",
    "schema.violated",
    "quota.exceeded",
    "webhook.disabled",
]
KINDS: tuple[str, ...] = get_args(Kind)
OPT_IN = frozenset({"snapshot.unchanged", "event.created", "delta.significant", "field.changed"})
"""Sent to those alone who name them, for no wildcard stands for them: they are very many, or say what `delta.created`
says already, to who wants to hear of values only, or of fields."""
TEST = "webhook.test"
"""What POST /v1/webhooks/{id}/test sends when it names no type."""
MOST_PATTERNS = 20


def check(patterns: Sequence[str]) -> list[str]:
    """Each once. Raises Invalid for one that chooses nothing."""
    if not 0 < len(patterns) <= MOST_PATTERNS:
        raise Invalid(f"events must be 1 to {MOST_PATTERNS} types: {', '.join(KINDS)}, delta.* or *", field="events")
    for at, pattern in enumerate(patterns):
        if not any(is_one_of(kind, [pattern]) for kind in KINDS):
            raise Invalid(
                f"{pattern[:100]!r} is not a type: there are {', '.join(KINDS)}, and wildcards as delta.* and *",
                field=f"events[{at}]",
            )
    return list(dict.fromkeys(patterns))


def is_one_of(kind: str, patterns: Iterable[str]) -> bool:
    """`delta.*` is all types of its family, `*` all types, but for those of OPT_IN."""
    family = kind.partition(".")[0] + ".*"
    return any(pattern == kind or (kind not in OPT_IN and pattern in (family, "*")) for pattern in patterns)
