"""Reads rows again whose bytes the other side does not have, for their canonical form."""

from collections.abc import Callable, Iterable, Iterator

from xxhash import xxh3_128_digest

from delta_server.core.diff.canonical_form import Form, form
from delta_server.core.diff.diff_settings import Fields, Rules
from delta_server.core.errors import DeltaError
from delta_server.core.json import slices
from delta_server.core.rowdelta.joining import ENTRY, KEY_BYTES, LONE, Joined, Location, entries_of, location
from delta_server.core.rowdelta.moving import ROWS_BETWEEN, in_order
from delta_server.core.rowdelta.partitions import COUNT, Partitions
from delta_server.core.rowdelta.ports import Assistant, ReadAt, Side
from delta_server.core.rowdelta.settings import Settings
from delta_server.core.rowdelta.texts import AscendingTexts, changed_meanwhile

_WORTH = 32
"""Rows of a part that an assistant is given."""


class Checker:
    """Makes of entries by the bytes of rows those by their canonical forms."""

    def __init__(self, fields: Fields, settings: Settings) -> None:
        self._rules, self._is_keyed = settings.rules(), bool(fields)
        self._is_hashed = not settings.trusted_hash and not settings.ignore
        """Whether digests are those of rows' bytes."""

    def checked(self, entries: Iterable[bytes], text_at: ReadAt) -> Iterator[bytes]:
        """Raises Conflict: a row is another by now."""
        for entry in entries:
            key, digest, offset, size, several = ENTRY.unpack(entry)
            text = text_at(offset, size)
            if self._is_hashed and xxh3_128_digest(text) != digest:
                raise changed_meanwhile()
            is_lone = entry[-1:] == LONE
            canonical = digest if is_lone else form_digest(text, self._rules)
            key = key if self._is_keyed else canonical
            yield ENTRY.pack(key, canonical, offset, size, several and not is_lone)

    def beside(self, entries: bytes, read_at: ReadAt) -> bytes:
        """Nothing where a row cannot be read."""
        try:
            return b"".join(self.checked(entries_of(entries), AscendingTexts(read_at).at))
        except (DeltaError, OSError):
            return b""


def check(
    side: Side,
    read_at: ReadAt,
    left: Partitions,
    entries: Partitions,
    checker: Checker,
    *,
    report: Callable[[], None],
    assistant: Assistant | None,
) -> None:
    """`left` are the entries in parts by their offset; those by their canonical forms go into `entries`. An assistant
    that reads the side checks every other part."""
    helper = assistant if assistant is not None and assistant.reads(side) else None
    given: list[bytes] = []
    text_at = AscendingTexts(read_at).at

    def own(some: list[bytes]) -> Iterator[bytes]:
        for count, entry in enumerate(checker.checked(some, text_at)):
            if not count % ROWS_BETWEEN:
                report()
            yield entry

    for part in range(COUNT):
        some = in_order(left, part)
        if helper is not None and not given and len(some) >= _WORTH and part + 1 < COUNT and helper.is_ready():
            helper.give_left(side, b"".join(some))
            given = some
            continue
        entries.add(list(own(some)), 0)
        if given:
            assert helper is not None
            entries.add(entries_of(helper.take()) or list(own(given)), 0)
            given = []


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
