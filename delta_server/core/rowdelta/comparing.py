"""Compares two deliveries of rows, in any order, of any size, in bounded memory.

Each side is read once, and of each row stays an entry of 45 bytes (reading.py). The entries are joined (joining.py):
equal bytes need no more. What is left over is read again; where a source can only be read from its beginning, it is
moved to where it can be read at any place (moving.py). Two rows with one key are looked at side by side (pairs.py).
Of what comes in any other way the canonical form is made (checking.py), by which it is joined once more: rows that are
merely written otherwise are equal. What is left then are the operations (operations.py).

Where both are CSV without quotes the entries are those of its lines (csv_lines.py), and what is left over becomes JSON
when it is moved.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from types import MappingProxyType

import msgspec

from delta_server.core.diff.diff_settings import Fields
from delta_server.core.errors import Invalid, TooLarge
from delta_server.core.rowdelta import csv_lines, row_keys
from delta_server.core.rowdelta.checking import Checker, check, matched, row_form
from delta_server.core.rowdelta.csv_lines import LineMaker, Table
from delta_server.core.rowdelta.entries import EntryMaker, Maker
from delta_server.core.rowdelta.joining import Joined, entries_of, joined, offsets_of
from delta_server.core.rowdelta.moving import move
from delta_server.core.rowdelta.operations import Operation, Operations
from delta_server.core.rowdelta.pairs import PairChecker, Pairs
from delta_server.core.rowdelta.partitions import COUNT, Partitions, by_offset
from delta_server.core.rowdelta.ports import Assistant, Phase, Progress, ReadAt, Side, Source, Spill, Text
from delta_server.core.rowdelta.reading import LacksKey, SideReader, sample
from delta_server.core.rowdelta.settings import Settings, validate
from delta_server.core.rowdelta.summary import Summary

Sides = dict[Side, tuple[SideReader, Partitions]]
_NO_TEXTS: Mapping[Side, Text] = MappingProxyType({})


class Rows(msgspec.Struct, frozen=True):
    """Of a side: what reads them at their places, and a place past all."""

    read_at: ReadAt
    end: int


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
        assistant: Callable[[Fields, Settings, Table | None], AbstractContextManager[Assistant]] | None = None,
        texts: Mapping[Side, Text] = _NO_TEXTS,
    ) -> None:
        """Does the work. `texts` are those of sides that are CSV. Raises Invalid where the settings or the rows are
        wrong, TooLarge where a row is, Conflict where a source changes meanwhile, and what the sources, the spill and
        the progress raise."""
        validate(settings)
        self._sources: dict[Side, Source] = {"before": before, "after": after}
        self._settings, self._spill, self._progress = settings, spill, progress
        self._assistant, self._texts = assistant, texts
        self._rules = settings.rules()
        self._rows = {"before": 0, "after": 0}
        self._fields = settings.key_fields or self._found_key()
        self._unchanged, self._duplicates = 0, [0, 0]
        self._digests: dict[Side, str] = {}
        sides, self._operations = self._compared()
        self.summary = self._summed_up(sides)

    def operations(self) -> Generator[Operation]:
        """In an order that depends on nothing but the rows: what is removed first."""
        for done, operation in enumerate(self._operations):
            if not done % _LINES_BETWEEN:
                self._report("write")
            yield operation

    def lines(self) -> Generator[list[bytes]]:
        """The same as JSON, many at a time."""
        for some in self._operations.lines():
            self._report("write")
            yield some

    def _report(self, phase: Phase) -> None:
        self._progress(self._rows["before"], self._rows["after"], phase)

    def _partitions(self, share: int) -> Partitions:
        return Partitions(self._spill, self._settings.memory_bytes // share)

    def _found_key(self) -> tuple[str, ...]:
        samples = [sample(source, self._settings) for source in self._sources.values()]
        return row_keys.find_key(samples[0], samples[1], self._rules)

    def _compared(self) -> tuple[Sides, Operations]:
        if (table := csv_lines.table(self._texts, self._fields, self._settings)) is not None:
            try:
                return self._compared_by(table)
            except (Invalid, TooLarge):
                self._rows = {"before": 0, "after": 0}  # what is wrong, if anything, is said of the rows as JSON
        try:
            return self._compared_by(None)
        except LacksKey:
            if self._settings.key_fields:
                raise
            self._fields = ()  # the first rows have the fields that were found, others do not
            return self._compared_by(None)

    def _compared_by(self, table: Table | None) -> tuple[Sides, Operations]:
        """Raises NotPlain with a table that not all rows fit, before anything is counted."""
        if self._settings.tolerance and not self._fields:
            raise Invalid("a tolerance needs rows with a key, and none was found: name its fields", field="key_fields")
        begun = nullcontext() if self._assistant is None else self._assistant(self._fields, self._settings, table)
        with begun as assistant:
            sides = self._read(assistant, table)
            rows, found = self._readable(sides, self._joined(sides, assistant), table, assistant)
            pairs = self._pairs(rows) if self._fields else None
            checked = {side: self._partitions(16) for side in rows}
            for side, left in self._left(found, rows, pairs).items():
                self._check(side, rows[side].read_at, left, checked[side], assistant)
            operations = self._operations_of(rows, checked)
            if pairs is not None:
                checker, report = PairChecker(self._fields, self._settings), partial(self._report, "check")
                self._unchanged += pairs.settle(operations, checker, report, assistant)
        return sides, operations

    def _read(self, assistant: Assistant | None, table: Table | None) -> Sides:
        """Raises LacksKey, NotPlain."""
        sides: Sides = {}
        for side, source in self._read_from(table).items():
            entries = self._partitions(5)
            head = table.heads[side] if table else 0
            reader = SideReader(side, source, self._settings, self._maker(table), assistant, head)
            with closing(reader.read_into(entries)) as reading:
                for _ in reading:
                    self._rows[side] = reader.rows
                    self._report(side)
            sides[side] = reader, entries
            text = self._texts.get(side)
            self._digests[side] = reader.digest.hexdigest() if text is None else text.digest
        return sides

    def _maker(self, table: Table | None) -> Maker:
        if table is None:
            return EntryMaker(self._fields, self._settings)
        return LineMaker(table, self._fields, self._settings)

    def _read_from(self, table: Table | None) -> Mapping[Side, Source]:
        return self._sources if table is None else self._texts

    def _joined(self, sides: Sides, assistant: Assistant | None) -> Iterator[Joined]:
        """The entries whose bytes are on one side only; all others are counted."""
        room = self._settings.memory_bytes * 9 // 20
        for found in joined(sides["before"][1], sides["after"][1], self._spill, room, assistant):
            self._unchanged += found.unchanged
            self._duplicates[0] += found.duplicates_before
            self._duplicates[1] += found.duplicates_after
            self._report("join")
            yield found

    def _readable(
        self, sides: Sides, found: Iterator[Joined], table: Table | None, assistant: Assistant | None
    ) -> tuple[dict[Side, Rows], Iterator[Joined]]:
        """Where the rows that are left over can be read at any place, and their entries. Those of a source that can
        only be read from its beginning, and those of a table, are moved into the spill."""
        sources = self._read_from(table)
        ends = {side: reader.size_bytes for side, (reader, _) in sides.items()}
        rows = {side: Rows(source.read_at or self._spill.read, ends[side]) for side, source in sources.items()}
        passing = [side for side, source in sources.items() if table is not None or source.read_at is None]
        change = None if table is None else partial(csv_lines.as_json, table)
        if not passing:
            return rows, found
        left: dict[Side, Partitions] = {side: self._partitions(32) for side in rows}
        for part in found:
            for side, entries in part.by_side().items():
                if side in passing:
                    left[side].add_all([by_offset(offset, ends[side]) for offset in offsets_of(entries)], entries)
                else:
                    left[side].add(entries, 0)
        for side in passing:
            moved = self._partitions(32)
            report = partial(self._report, "check")
            end = move(sources[side], left[side], moved, self._spill, report=report, change=change)
            left[side], rows[side] = moved, Rows(self._spill.read, end)
            self._spill.flush()
            if assistant is not None:
                assistant.moved(side)
        return rows, _by_key(left)

    def _pairs(self, rows: dict[Side, Rows]) -> Pairs:
        return Pairs(self._partitions(16), rows["before"].read_at, rows["after"].read_at, rows["after"].end)

    def _left(self, found: Iterator[Joined], rows: dict[Side, Rows], pairs: Pairs | None) -> dict[Side, Partitions]:
        """The entries by their place; without those that are pairs."""
        left: dict[Side, Partitions] = {side: self._partitions(32) for side in rows}
        for part in found:
            others = part if pairs is None else pairs.take(part)
            for side, entries in others.by_side().items():
                left[side].add_all([by_offset(offset, rows[side].end) for offset in offsets_of(entries)], entries)
        return left

    def _check(
        self, side: Side, read_at: ReadAt, left: Partitions, checked: Partitions, assistant: Assistant | None
    ) -> None:
        checker, report = Checker(self._fields, self._settings), partial(self._report, "check")
        check(side, read_at, left, checked, checker, report=report, assistant=assistant)

    def _operations_of(self, rows: dict[Side, Rows], checked: dict[Side, Partitions]) -> Operations:
        before, after = rows["before"].read_at, rows["after"].read_at
        ends = [each.end for each in rows.values()]
        memory_bytes = self._settings.memory_bytes // 2
        found = Operations([before, after], ends, self._fields, lambda: self._partitions(16), memory_bytes)
        for part in joined(checked["before"], checked["after"], self._spill, self._settings.memory_bytes // 2):
            self._unchanged += part.unchanged
            for old, new in matched(part):
                if old and new and self._settings.tolerance and self._is_close(before(*old), after(*new)):
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
            digest_before=self._digests["before"],
            digest_after=self._digests["after"],
        )


def _by_key(left: dict[Side, Partitions]) -> Iterator[Joined]:
    """Entries in parts by their first byte, as `joined` yields them. Those whose key is that of several rows of a side
    may be many more than fit in memory, and are nobody's counterpart."""
    for part in range(COUNT):
        lone: dict[Side, list[bytes]] = {}
        for side, entries in left.items():
            lone[side] = []
            for piece in map(entries_of, entries.take(part)):
                lone[side] += [entry for entry in piece if not entry[-1]]
                several = [entry for entry in piece if entry[-1]]
                yield Joined(several, [], 0) if side == "before" else Joined([], several, 0)
        yield Joined(lone["before"], lone["after"], 0)
