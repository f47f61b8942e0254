"""Rows that cannot be read at any place, or are not JSON yet, copied to where they can, and are."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from operator import itemgetter
from struct import Struct

from delta_server.core.rowdelta.joining import OFFSET, Location, entries_of
from delta_server.core.rowdelta.partitions import COUNT, Partitions
from delta_server.core.rowdelta.ports import Source, Spill
from delta_server.core.rowdelta.reading import close
from delta_server.core.rowdelta.texts import AscendingTexts, PassingTexts

Change = Callable[[list[bytes], list[bytes]], tuple[list[bytes], list[bytes]]]
"""Makes other entries, and texts, of some."""

ROWS_BETWEEN = 256
"""Rows that are read between two calls of the progress."""

_MOST_BYTES = 1 << 20
_locations = Struct(">32xQIx").iter_unpack
_parts = Struct(">32sQ5s")
"""Of an entry: the offset, and what is before and behind it."""


def move(
    source: Source,
    left: Partitions,
    moved: Partitions,
    spill: Spill,
    *,
    report: Callable[[], None],
    change: Change | None = None,
) -> int:
    """`left` are entries in parts by their offset. With their places in the spill they go into `moved`, by their first
    byte, both as `change` makes them. Answers a place past all. Raises Conflict: the source is another by now."""
    end = 0
    with _opened(source) as texts_at:
        for some in _in_order(left):
            for entries in _batches(some):
                report()
                texts = texts_at(_locations(b"".join(entries)))
                if change is not None:
                    entries, texts = change(entries, texts)
                joined = b"".join(entries)
                *places, end = accumulate(map(len, texts), initial=spill.write(b"".join(texts)))
                heads, _, tails = zip(*_parts.iter_unpack(joined), strict=True)
                moved.add(list(map(_parts.pack, heads, places, tails)), 0)
    return end


@contextmanager
def _opened(source: Source) -> Iterator[Callable[[Iterable[Location]], list[bytes]]]:
    """What reads texts in the order of their places."""
    if source.read_at is not None:
        yield AscendingTexts(source.read_at).all_at
        return
    pieces = source.open()
    try:
        yield PassingTexts(pieces).all_at
    finally:
        close(pieces)


def in_order(left: Partitions, part: int) -> list[bytes]:
    return sorted(entries_of(b"".join(left.take(part))), key=itemgetter(OFFSET))


def _in_order(left: Partitions) -> Iterator[list[bytes]]:
    """Parts together, where they are small: each batch has its price."""
    waiting: list[bytes] = []
    for part in range(COUNT):
        waiting += in_order(left, part)
        if len(waiting) >= ROWS_BETWEEN:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _batches(entries: list[bytes]) -> Iterator[list[bytes]]:
    """So many at a time that their texts take little memory."""
    for first in range(0, len(entries), ROWS_BETWEEN):
        some = entries[first : first + ROWS_BETWEEN]
        size_bytes = sum([size for _, size in _locations(b"".join(some))])
        yield from [some] if size_bytes <= _MOST_BYTES else [[entry] for entry in some]
