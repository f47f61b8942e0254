"""What is stored and what is reported of a difference: pure, so that it can be computed in a process of its own."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from delta_server.core.diff import record_rows, row_table, unmet_patterns
from delta_server.core.diff.change_list import encode, encode_first
from delta_server.core.diff.compare import DEFAULT, DiffSettings, DiffSummary, KnownKeys, diff
from delta_server.core.diff.json_patch import json_patch, merge_patch
from delta_server.core.diff.row_table import RowTable
from delta_server.core.history import lives
from delta_server.core.json import surrogates
from delta_server.features.deltas.rows import TYPES, FieldCount, Note, SchemaChange, Summary
from delta_server.features.deltas.schemas import Format

MAX_NOTES = 16
MAX_SINGLE_FIELDS = 1024
"""Field patterns kept of one delta; past it members of maps are counted together,"""
MAX_FIELDS = 256
"""and then, if there are still so many, the deepest patterns under their parents."""


def summarise(before: bytes, after: bytes, settings: DiffSettings, known: KnownKeys = ()) -> Summary | None:
    """What is stored of a difference; None without any."""
    difference = diff(before, after, settings, known)
    if difference.kind == "none":
        return None
    entries = lives.encoded(lives.entries_of(difference, settings, known))
    return msgspec.structs.replace(to_summary(difference, settings), lives=entries)


class Compared(msgspec.Struct, frozen=True):
    """Two documents to be compared, each endpoint's by its own settings and keys."""

    before: bytes
    after: bytes
    settings: DiffSettings
    known: KnownKeys

    @property
    def size(self) -> int:
        return len(self.before) + len(self.after)


def summarise_all(pairs: Iterable[Compared]) -> list[Summary | Exception | None]:
    """Of several; what fails with one of them stands in its place."""
    found: list[Summary | Exception | None] = []
    for pair in pairs:
        try:
            found.append(summarise(pair.before, pair.after, pair.settings, pair.known))
        except Exception as error:
            found.append(error)
    return found


def to_summary(difference: DiffSummary, settings: DiffSettings = DEFAULT) -> Summary:
    notes = [*difference.notes, *unmet_patterns.notes(settings, difference.before, difference.after)]
    return Summary(
        kind=difference.kind,
        added=difference.added,
        removed=difference.removed,
        replaced=difference.replaced,
        moved=difference.moved,
        similarity=round(difference.similarity, 6),
        fields=_fields(difference),
        schema_changes=[SchemaChange(change.op, change.path, change.elements) for change in difference.schema_changes],
        notes=[Note(note.path, note.message) for note in notes[:MAX_NOTES]],
        found_keys=difference.found_keys,
    )


def _fields(difference: DiffSummary) -> list[FieldCount]:
    if difference.has_maps and len(difference.places) <= MAX_SINGLE_FIELDS:
        return [
            FieldCount(single.pattern, single.changes, _bits(single.types), single.folded)
            for single in difference.single_fields()
        ]
    counts, types = _folded(difference.fields), difference.types
    return [FieldCount(path, count, _bits(types.get(path, ()))) for path, count in sorted(counts.items())]


def _folded(counts: Mapping[str, int]) -> dict[str, int]:
    """By pattern; the deepest under their parents, level by level, until MAX_FIELDS are left.

    A document that uses ids as object keys would otherwise make a pattern of every id.
    """
    folded = Counter(counts)
    while len(folded) > MAX_FIELDS:
        depth = max(pattern.count("/") for pattern in folded)
        deepest = [pattern for pattern in folded if pattern.count("/") == depth]
        for pattern in deepest:
            folded[pattern.rpartition("/")[0]] += folded.pop(pattern)
    return dict(folded)


def _bits(types: Iterable[str]) -> int:
    return sum(1 << TYPES.index(name) for name in types)


def compare_in_format(
    before: bytes, after: bytes, settings: DiffSettings, known: KnownKeys, format: Format
) -> tuple[Summary, bytes]:
    """(summary, the operations in `format`)."""
    difference = diff(before, after, settings, known)
    if format == "changes":
        written = encode(difference)
    elif format == "merge-patch":
        written = merge_patch(difference)
    else:
        written = json_patch(difference)
    return to_summary(difference, settings), surrogates.restore(written)


def compare_as_rows(
    before: bytes, after: bytes, settings: DiffSettings, known: KnownKeys, unchanged: bool = False
) -> tuple[Summary, RowTable]:
    """(summary, all rows, with `unchanged` those of what is the same too)."""
    difference = diff(before, after, settings, known)
    unfolded = difference.has_maps and len(difference.places) <= MAX_SINGLE_FIELDS
    configured = difference.configured_keys
    keys = {pattern: (fields, pattern in configured) for pattern, fields in difference.array_keys.items()}
    return to_summary(difference, settings), row_table.build(
        record_rows.grouped(difference, settings, unfolded=unfolded, unchanged=unchanged), keys
    )


def compare_first_changes(
    before: bytes, after: bytes, settings: DiffSettings, known: KnownKeys, most: int, size_bytes: int
) -> tuple[bytes, bool]:
    """The first operations in the format `changes`, and whether these are all."""
    written, complete = encode_first(diff(before, after, settings, known), most=most, size_bytes=size_bytes)
    return surrogates.restore(written), complete


def compare_all(
    sides: Iterable[tuple[bytes, bytes]], settings: DiffSettings, known: KnownKeys
) -> list[tuple[str, dict[str, int]] | None]:
    """(kind, changes by field pattern) of each; None of what cannot be compared."""
    found: list[tuple[str, dict[str, int]] | None] = []
    for before, after in sides:
        try:
            summary = to_summary(diff(before, after, settings, known), settings)
        except Exception:
            found.append(None)
        else:
            found.append((summary.kind, {field.pattern: field.changes for field in summary.fields}))
    return found


def keys_found(before: bytes, after: bytes, settings: DiffSettings) -> KnownKeys:
    """The keys of arrays that comparing the two finds."""
    return tuple(sorted(diff(before, after, settings).found_keys.items()))
