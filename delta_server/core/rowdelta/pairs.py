"""Rows of both sides that have the same key and other bytes: looks whether they differ by their values.

Most do, which is seen where their decoded values do. Values that Python takes for equal (1 and true), and long
integers, which a float may round to, are compared by their canonical forms.
"""

from collections.abc import Callable, Iterator
from itertools import compress
from operator import ne, not_
from struct import Struct
from typing import Any

import msgspec
from xxhash import xxh3_128_digest

from delta_server.core.diff.diff_settings import Fields
from delta_server.core.errors import DeltaError
from delta_server.core.rowdelta.checking import row_form
from delta_server.core.rowdelta.joining import ENTRY, KEY_BYTES, LONE, Joined
from delta_server.core.rowdelta.operations import RECORD, Operations, batches, lines_of
from delta_server.core.rowdelta.partitions import COUNT, Partitions, by_offset
from delta_server.core.rowdelta.ports import Assistant, ReadAt
from delta_server.core.rowdelta.row_keys import RowReader
from delta_server.core.rowdelta.settings import Settings
from delta_server.core.rowdelta.texts import AscendingTexts, Texts, changed_meanwhile

PAIR = Struct(RECORD.format + "16s16s")
"""Where the rows are, and the digests of their bytes, first that after."""

_offset = Struct(">Q48x").iter_unpack
_DIGEST = slice(KEY_BYTES, 2 * KEY_BYTES)
_PLACE = slice(2 * KEY_BYTES, ENTRY.size - 1)
_WORTH = 32
"""Pairs that an assistant is given."""

_digest: Callable[[Any], bytes] = xxh3_128_digest
_decode_lines = msgspec.json.Decoder().decode_lines
_LONG_INTEGER = b"0" * 16
_DIGITS_AS_ZEROS = bytes(ord("0") if b in b"0123456789" else b for b in range(256))


class Checked(msgspec.Struct, frozen=True):
    """Whether those of each pair are equal, and the lines of the operations of those that differ, or none."""

    equal: list[bool]
    lines: bytes = b""


class PairChecker:
    def __init__(self, fields: Fields, settings: Settings) -> None:
        self._rules, self._reader = settings.rules(), RowReader(fields)
        self._is_hashed = not settings.trusted_hash and not settings.ignore
        """Whether digests are those of rows' bytes."""

    def checked(self, pairs: list[bytes], before: ReadAt, after: Texts, *, with_lines: bool) -> Checked:
        """The pairs are in the order of `after`. Raises Conflict: a row is another by now."""
        columns = [list(column) for column in zip(*PAIR.iter_unpack(b"".join(pairs)), strict=True)]
        new, old = after.all_at(zip(*columns[0:2], strict=True)), list(map(before, *columns[2:4]))
        if list(map(len, old)) != columns[3]:
            raise changed_meanwhile()
        if self._is_hashed and [list(map(_digest, new)), list(map(_digest, old))] != columns[4:6]:
            raise changed_meanwhile()
        surely = self._surely_differ(old, new)
        equal = [not sure and self._is_equal(a, b) for sure, a, b in zip(surely, old, new, strict=True)]
        if not with_lines or not self._is_hashed:
            return Checked(equal)
        if any(equal):
            old, new = [list(compress(side, map(not_, equal))) for side in (old, new)]
        return Checked(equal, b"".join(lines_of(self._reader, old, new)))

    def beside(self, pairs: bytes, before: ReadAt, after: ReadAt, *, with_lines: bool) -> bytes:
        """A byte for each pair, and the lines; nothing where a row cannot be read."""
        try:
            found = self.checked(_pairs_of(pairs), before, AscendingTexts(after), with_lines=with_lines)
        except (DeltaError, OSError):
            return b""
        return bytes(found.equal) + found.lines

    def _surely_differ(self, old: list[bytes], new: list[bytes]) -> list[bool]:
        unknown = [False] * len(old)
        if self._rules is not None and self._rules.alters:
            return unknown
        texts = b"\n".join(old), b"\n".join(new)
        try:
            values = [_decode_lines(text) for text in texts]
            if [len(each) for each in values] != [len(old)] * 2:
                return unknown
            differ = list(map(ne, *values))
        except (msgspec.DecodeError, RecursionError):
            return unknown
        for text in texts:
            zeros = text.translate(_DIGITS_AS_ZEROS)
            if _LONG_INTEGER in zeros:
                lines = zeros.split(b"\n")
                differ = [sure and _LONG_INTEGER not in line for sure, line in zip(differ, lines, strict=False)]
        return differ

    def _is_equal(self, old: bytes, new: bytes) -> bool:
        return row_form(old, self._rules).is_close(row_form(new, self._rules))


class Pairs:
    """Those of a comparison. `end`: a place past all rows after."""

    def __init__(self, partitions: Partitions, before: ReadAt, after: ReadAt, end: int) -> None:
        self._kept, self._before, self._after, self._end = partitions, before, after, end

    def take(self, found: Joined) -> Joined:
        """Keeps the pairs of a part. Answers the other entries of both sides, those without a counterpart marked."""
        before = {entry[:KEY_BYTES]: entry for entry in found.before if not entry[-1]}
        others: list[bytes] = []
        pairs: list[bytes] = []
        for entry in found.after:
            old = None if entry[-1] else before.pop(entry[:KEY_BYTES], None)
            if old is None:
                others.append(entry if entry[-1] else entry[:-1] + LONE)
            else:
                pairs.append(entry[_PLACE] + old[_PLACE] + entry[_DIGEST] + old[_DIGEST])
        self._kept.add_all([by_offset(offset, self._end) for (offset,) in _offset(b"".join(pairs))], pairs)
        lone = [entry[:-1] + LONE for entry in before.values()]
        return Joined(lone + [entry for entry in found.before if entry[-1]], others, 0)

    def settle(
        self, operations: Operations, checker: PairChecker, report: Callable[[], None], assistant: Assistant | None
    ) -> int:
        """Those that differ become operations; answers how many do not. An assistant that reads both sides looks at
        every other batch."""
        after = AscendingTexts(self._after)
        helper = assistant if assistant is not None and assistant.reads("before") and assistant.reads("after") else None
        given: list[bytes] = []
        unchanged = 0
        for pairs in batches(self._in_order()):
            report()
            if helper is not None and not given and len(pairs) >= _WORTH and helper.is_ready():
                helper.give_pairs(b"".join(pairs), with_lines=operations.keeps_lines)
                given = pairs
                continue
            found = checker.checked(pairs, self._before, after, with_lines=operations.keeps_lines)
            unchanged += _settled(operations, pairs, found)
            if given:
                unchanged += _settled(operations, given, self._answered(helper, checker, given))
                given = []
        return unchanged + _settled(operations, given, self._answered(helper, checker, given))

    def _answered(self, helper: Assistant | None, checker: PairChecker, given: list[bytes]) -> Checked:
        """What the assistant says of those it was given; found here where it could not."""
        if not given or helper is None:
            return Checked([])
        if answer := helper.take():
            return Checked(list(map(bool, answer[: len(given)])), answer[len(given) :])
        return checker.checked(given, self._before, AscendingTexts(self._after), with_lines=False)

    def _in_order(self) -> Iterator[bytes]:
        for part in range(COUNT):
            yield from sorted(_pairs_of(b"".join(self._kept.take(part))))


def _settled(operations: Operations, pairs: list[bytes], found: Checked) -> int:
    """How many are equal; the others become operations."""
    records = [pair[: RECORD.size] for pair, same in zip(pairs, found.equal, strict=True) if not same]
    operations.add_changed(records, found.lines)
    return sum(found.equal)


def _pairs_of(pairs: bytes) -> list[bytes]:
    return [pairs[at : at + PAIR.size] for at in range(0, len(pairs), PAIR.size)]
