"""Compares two deliveries of rows, in any order, of any size, in bounded memory.

Each side is read once, and of each row stays an entry of 45 bytes (reading.py). The entries are joined (joining.py):
equal bytes need no more. What is left over is read again: two rows with one key are looked at side by side (pairs.py).
Of what comes in any other way the canonical form is made (checking.py), by which it is joined once more: rows that are
merely written otherwise are equal. What is left then are the operations (operations.py).
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial

from delta_server.core.errors import Invalid
from delta_server.core.rowdelta import row_keys
from delta_server.core.rowdelta.checking import Checked, Checker, check, matched, row_form
from delta_server.core.rowdelta.joining import joined, offsets_of
from delta_server.core.rowdelta.operations import Operation, Operations
from delta_server.core.rowdelta.pairs import PairChecker, Pairs
from delta_server.core.rowdelta.partitions import Partitions, by_offset
from delta_server.core.rowdelta.ports import Assistant, Phase, Progress, Side, Source, Spill
from delta_server.core.rowdelta.reading import LacksKey, SideReader, sample
from delta_server.core.rowdelta.settings import Settings, validate
from delta_server.core.rowdelta.summary import Summary

Sides = dict[Side, tuple[SideReader, Partitions]]

_LINES_BETWEEN = 1024
"""Written between two calls of the progress."""


class Comparison:
    """Two sources compared: `summary`, and the operations."""

    def __init__(
        self,
        before: Source,
        after: Source,
        settings: Settings,
        *,
        spill: Spill,
        progress: Progress,
        assistant: Callable[[tuple[str, ...], Settings], AbstractContextManager[Assistant]] | None = None,
    ) -> None:
        """Does the work. Raises Invalid where the settings or the rows are wrong, TooLarge where a row is, Conflict
        where a source changes meanwhile, and what the sources, the spill and the progress raise."""
        validate(settings)
        self._sources: dict[Side, Source] = {"before": before, "after": after}
        self._settings, self._spill, self._progress = settings, spill, progress
        self._assistant = assistant
        self._rules = settings.rules()
        self._rows = {"before": 0, "after": 0}
        self._fields = settings.key_fields or self._found_key()
        self._unchanged, self._duplicates = 0, [0, 0]
        try:
            sides, self._operations = self._compared()
        except LacksKey:
            if settings.key_fields:
                raise
            self._fields = ()  # the first rows have the fields that were found, others do not
            sides, self._operations = self._compared()
        self.summary = self._summed_up(sides)

    def operations(self) -> Generator[Operation]:
        """In an order that depends on nothing but the rows: what is removed first."""
        for done, operation in enumerate(self._operations):
            if not done % _LINES_BETWEEN:
                self._report("write")
            yield operation

    def _report(self, phase: Phase) -> None:
        self._progress(self._rows["before"], self._rows["after"], phase)

    def _partitions(self, share: int) -> Partitions:
        return Partitions(self._spill, self._settings.memory_bytes // share)

    def _found_key(self) -> tuple[str, ...]:
        samples = [sample(source, self._settings) for source in self._sources.values()]
        return row_keys.find_key(samples[0], samples[1], self._rules)

    def _compared(self) -> tuple[Sides, Operations]:
        if self._settings.tolerance and not self._fields:
            raise Invalid("a tolerance needs rows with a key, and none was found: name its fields", field="key_fields")
        begun = nullcontext() if self._assistant is None else self._assistant(self._fields, self._settings)
        with begun as assistant:
            sides = self._read(assistant)
            pairs = self._pairs(sides)
            left = self._left(sides, pairs, assistant)
            checked = [self._check(side, parts, assistant) for side, parts in left.items()]
            operations = self._operations_of(sides, checked)
            if pairs is not None:
                report = partial(self._report, "check")
                self._unchanged += pairs.settle(operations, PairChecker(self._settings), report, assistant)
        return sides, operations

    def _pairs(self, sides: Sides) -> Pairs | None:
        """Where rows have keys, and those of both sides can be read at any place."""
        before, after = [source.read_at for source in self._sources.values()]
        if not self._fields or before is None or after is None:
            return None
        return Pairs(self._partitions(16), before, after, sides["after"][0].size_bytes)

    def _read(self, assistant: Assistant | None) -> Sides:
        """Raises LacksKey."""
        sides: Sides = {}
        for side, source in self._sources.items():
            entries = self._partitions(5)
            reader = SideReader(side, source, self._fields, self._settings, assistant)
            with closing(reader.read_into(entries)) as reading:
                for _ in reading:
                    self._rows[side] = reader.rows
                    self._report(side)
            sides[side] = reader, entries
        return sides

    def _left(self, sides: Sides, pairs: Pairs | None, assistant: Assistant | None) -> dict[Side, Partitions]:
        """The entries whose bytes are on one side only, by their place; without those that are pairs."""
        left: dict[Side, Partitions] = {"before": self._partitions(32), "after": self._partitions(32)}
        room = self._settings.memory_bytes * 9 // 20
        for found in joined(sides["before"][1], sides["after"][1], self._spill, room, assistant):
            self._unchanged += found.unchanged
            self._duplicates[0] += found.duplicates_before
            self._duplicates[1] += found.duplicates_after
            before, after = (found.before, found.after) if pairs is None else pairs.take(found)
            by_side: dict[Side, list[bytes]] = {"before": before, "after": after}
            for side, entries in by_side.items():
                size = sides[side][0].size_bytes
                left[side].add_all([by_offset(offset, size) for offset in offsets_of(entries)], entries)
            self._report("join")
        return left

    def _check(self, side: Side, left: Partitions, assistant: Assistant | None) -> Checked:
        return check(
            side,
            self._sources[side],
            left,
            self._partitions(16),
            Checker(self._fields, self._settings),
            spill=self._spill,
            report=lambda: self._report("check"),
            assistant=assistant,
        )

    def _operations_of(self, sides: Sides, checked: list[Checked]) -> Operations:
        before, after = checked
        found = Operations(
            [side.read_at for side in checked],
            [max(side.end, reader.size_bytes) for side, (reader, _) in zip(checked, sides.values(), strict=True)],
            self._fields,
            lambda: self._partitions(16),
        )
        for part in joined(before.entries, after.entries, self._spill, self._settings.memory_bytes // 2):
            self._unchanged += part.unchanged
            for old, new in matched(part):
                if (
                    old
                    and new
                    and self._settings.tolerance
                    and self._is_close(before.read_at(*old), after.read_at(*new))
                ):
                    self._unchanged += 1
                else:
                    found.add(old, new)
            self._report("check")
        return found

    def _is_close(self, old: bytes, new: bytes) -> bool:
        return row_form(old, self._rules).is_close(row_form(new, self._rules))

    def _summed_up(self, sides: Sides) -> Summary:
        before, after = sides["before"][0], sides["after"][0]
        found = self._operations
        return Summary(
            rows_before=before.rows,
            rows_after=after.rows,
            added=found.added,
            changed=found.changed,
            removed=found.removed,
            unchanged=self._unchanged,
            duplicates_before=self._duplicates[0] if self._fields else 0,
            duplicates_after=self._duplicates[1] if self._fields else 0,
            removed_share=found.removed / before.rows if before.rows else 0.0,
            key_fields=list(self._fields),
            key_found=bool(self._fields) and not self._settings.key_fields,
            digest_before=before.digest.hexdigest(),
            digest_after=after.digest.hexdigest(),
        )
