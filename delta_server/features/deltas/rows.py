"""What the rows of deltas, and of the contents that wait for one, stand for."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from delta_server.core.arrays.key_cache import Votes
from delta_server.core.diff.diff_settings import Fields
from delta_server.core.history.activity import Counts, of_delta
from delta_server.features.fields.service import FieldCount as FieldCount

KINDS = ("content", "reorder", "format", "ignored")
"""Stored as their index."""

TYPES = ("null", "boolean", "number", "string", "array", "object")


class SchemaChange(msgspec.Struct, frozen=True, array_like=True):
    """A field that most elements of an array gained (`added`) or lost (`removed`) at once."""

    op: str
    pattern: str
    elements: int


class Note(msgspec.Struct, frozen=True, array_like=True):
    """What a reader should know of how the array at a pattern was compared."""

    pattern: str
    message: str


class Summary(msgspec.Struct, frozen=True):
    """`found_keys` are those of arrays, by pattern, for `store.vote`; `lives` are the entries of the record index.
    Neither is stored with the delta."""

    kind: str
    added: int
    removed: int
    replaced: int
    moved: int
    similarity: float
    fields: Sequence[FieldCount] = ()
    schema_changes: Sequence[SchemaChange] = ()
    notes: Sequence[Note] = ()
    found_keys: Mapping[str, Fields] = {}
    lives: bytes = b""

    @property
    def changes_count(self) -> int:
        return self.added + self.removed + self.replaced + self.moved

    @property
    def counts(self) -> Counts:
        return of_delta(KINDS.index(self.kind), (self.added, self.removed, self.replaced, self.moved))


class Basis(NamedTuple):
    """What an endpoint's documents are compared by: its settings, as JSON, and the keys that its deltas found."""

    diff: str
    diff_version: int
    votes: Votes


class Job(msgspec.Struct, frozen=True):
    """A content whose delta is to be computed, with the content before it (None: it is the first). `size` is that of
    both; `attempts` to compute it did not end."""

    endpoint: int
    content: int
    captured_at: int
    previous: int | None
    same: bool
    diff: str
    diff_version: int
    size: int
    attempts: int


class Computed(msgspec.Struct, frozen=True):
    """What came of a job; `summary` is None when there is no delta. `failed`: there should be one; `never_ended`: it
    was tried too often."""

    job: Job
    summary: Summary | None
    failed: bool = False
    never_ended: bool = False


class Listed(msgspec.Struct, frozen=True):
    """One stored delta in a walk along an endpoint."""

    endpoint: int
    content: int
    captured_at: int
    summary: Summary


class End(msgspec.Struct, frozen=True):
    """One side of a comparison: a snapshot, its content, and its endpoint's diff settings as JSON."""

    uid: bytes
    endpoint: int
    endpoint_uid: bytes
    content: int
    captured_at: int
    diff: str
