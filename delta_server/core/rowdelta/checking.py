"""Reads rows again whose bytes the other side does not have, for their canonical form."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from xxhash import xxh3_128_digest

from delta_server.core.diff.canonical_form import Form, form
from delta_server.core.diff.diff_settings import Rules
from delta_server.core.json import slices
from delta_server.core.rowdelta.joining import ENTRY, KEY_BYTES, OFFSET, Joined, Location
from delta_server.core.rowdelta.partitions import COUNT, Partitions
from delta_server.core.rowdelta.ports import ReadAt, Source, Spill
from delta_server.core.rowdelta.reading import close
from delta_server.core.rowdelta.texts import AscendingTexts, PassingTexts, changed_meanwhile

_ROWS_BETWEEN = 256
"""Rows that are read between two calls of the progress."""


class Checked(msgspec.Struct, frozen=True):
    """The entries by their canonical forms, with their places where `read_at` finds them, all before `end`."""

    entries: Partitions
    read_at: ReadAt
    end: int


def check(
    source: Source,
    left: Partitions,
    entries: Partitions,
    rules: Rules | None,
    *,
    spill: Spill,
    keyed: bool,
    hashed: bool,
    report: Callable[[], None],
) -> Checked:
    """`left` are the entries in parts by their offset. `keyed`: rows have keys. `hashed`: their digests are those of
    their bytes. What cannot be read again at any place is kept in the spill."""
    read_at, end = source.read_at, 0
    with _texts(source) as text_at:
        for count, entry in enumerate(_in_order(left)):
            if not count % _ROWS_BETWEEN:
                report()
            key, digest, offset, size, several = ENTRY.unpack(entry)
            text = text_at(offset, size)
            if hashed and xxh3_128_digest(text) != digest:
                raise changed_meanwhile()
            if read_at is None:
                offset = spill.write(text)
            canonical = form_digest(text, rules)
            checked = ENTRY.pack(key if keyed else canonical, canonical, offset, size, several)
            entries.add_to(checked[0], checked)
            end = offset + size
    return Checked(entries, read_at or spill.read, end)


def _in_order(left: Partitions) -> Iterator[bytes]:
    for part in range(COUNT):
        text = b"".join(left.take(part))
        entries = [text[at : at + ENTRY.size] for at in range(0, len(text), ENTRY.size)]
        yield from sorted(entries, key=lambda entry: entry[OFFSET])


@contextmanager
def _texts(source: Source) -> Iterator[Callable[[int, int], bytes]]:
    if source.read_at is not None:
        yield AscendingTexts(source.read_at).at
        return
    pieces = source.open()
    try:
        yield PassingTexts(pieces).at
    finally:
        close(pieces)


def form_digest(text: bytes, rules: Rules | None) -> bytes:
    found = row_form(text, rules)
    if not found.numbers:
        return xxh3_128_digest(found.text)
    numbers = b"".join([b"\n" + slices.canonical_number(str(number).encode()) for number, _ in found.numbers])
    return xxh3_128_digest(found.text + numbers)


def row_form(text: bytes, rules: Rules | None) -> Form:
    return form(text.strip(slices.WHITESPACE), rules)


def matched(found: Joined) -> Iterator[tuple[Location | None, Location | None]]:
    """Where each row is before and after: None where it is not. Rows with the same key are one row that changed, but
    where several of a side have it."""
    before = {entry[:KEY_BYTES]: entry for entry in found.before if not entry[-1]}
    for entry in found.after:
        old = None if entry[-1] else before.pop(entry[:KEY_BYTES], None)
        yield None if old is None else location(old), location(entry)
    for entry in [*before.values(), *[entry for entry in found.before if entry[-1]]]:
        yield location(entry), None


def location(entry: bytes) -> Location:
    _, _, offset, size, _ = ENTRY.unpack(entry)
    return offset, size
