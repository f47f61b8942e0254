"""What a key may do: a verb on a family of resources each, `snapshots:read`, and four unions of those.

`write` adds, `admin` destroys or exposes. A verb stands for itself: who holds `snapshots:write` alone stores and cannot
read. The unions do imply each other: `admin` has everything, `write` all that reads and adds, `read` all that reads.

    opened("write") has "snapshots:read", "snapshots:write", ..., and "write", "read" and "ingest" themselves
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

Union: TypeAlias = Literal["read", "write", "admin", "ingest"]
Single: TypeAlias = Literal[
    "snapshots:read",
    "snapshots:write",
    "snapshots:admin",
    "endpoints:read",
    "endpoints:write",
    "endpoints:admin",
    "events:read",
    "events:write",
    "events:admin",
    "visits:write",
    "sql:read",
    "exports:read",
    "stream:read",
    "alerts:read",
    "alerts:write",
    "alerts:admin",
    "annotations:read",
    "annotations:write",
    "annotations:admin",
    "boards:read",
    "boards:write",
    "boards:admin",
    "webhooks:read",
    "webhooks:write",
    "webhooks:admin",
    "sync:read",
    "sync:write",
    "sync:admin",
    "datasets:read",
    "datasets:write",
    "datasets:admin",
    "erasures:read",
    "erasures:admin",
    "keys:admin",
    "members:read",
    "members:admin",
    "projects:read",
    "projects:write",
    "projects:admin",
    "metrics:read",
    "instance:admin",
    "backups:admin",
    "audit:admin",
]
"""Those that routes ask for: a new family adds its verbs here."""
Scope: TypeAlias = Literal[Union, Single]

SINGLES: tuple[str, ...] = get_args(Single)
ALL: tuple[str, ...] = (*get_args(Union), *SINGLES)
INGEST = "ingest"
"""The scope of write keys."""
VISITS = "visits:write"
"""That of write keys which send what a website's script says and nothing else."""

_VERBS = {"read": {"read"}, "write": {"read", "write"}, "admin": {"read", "write", "admin"}}
UNIONS = {union: frozenset(one for one in SINGLES if one.split(":")[1] in verbs) for union, verbs in _VERBS.items()} | {
    INGEST: frozenset({"events:write"})
}
"""What each union is of."""


@lru_cache(1024)
def opened(text: str) -> frozenset[str]:
    """All that scopes, separated by spaces, allow, the unions among it that they make up. What is no scope opens
    nothing."""
    singles = frozenset[str]().union(*(UNIONS.get(scope, {scope}) for scope in text.split())) & set(SINGLES)
    return singles | {union for union, parts in UNIONS.items() if parts <= singles}


def in_order(scopes: Iterable[str]) -> list[str]:
    """Each once, in the order of the table."""
    wanted = set(scopes)
    return [scope for scope in ALL if scope in wanted]


def unions_with(scope: str) -> list[str]:
    """The unions that have `scope`, the least first."""
    return sorted((union for union, parts in UNIONS.items() if scope in parts), key=lambda union: len(UNIONS[union]))
