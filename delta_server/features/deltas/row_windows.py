"""Windows of a comparison's rows. A pair is compared once and its rows are kept for a while, so that a page that shows
20,000 of them reads, filters and searches without comparing again."""

from collections.abc import Hashable

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core.diff.diff_settings import MAX_ANY_STEPS, DiffSettings, KnownKeys
from delta_server.core.diff.row_places import place_of
from delta_server.core.diff.row_table import RowTable
from delta_server.core.diff.row_windows import Matched, RowFilter, Window, matched, written
from delta_server.core.errors import Invalid
from delta_server.core.json import pointer
from delta_server.features.deltas.rows import Summary
from delta_server.features.deltas.schemas import DEFAULT_WINDOW, RowOptions
from delta_server.features.deltas.summaries import compare_as_rows
from delta_server.services import Services
from delta_server.storage.fair_cache import FairCache
from delta_server.storage.keyed_locks import KeyedLocks

CACHE_BYTES, MOST_CACHED = 64 << 20, 256
MOST_FIELDS, MOST_SOUGHT = 100, 200
"""Patterns of one filter, and characters of the text it seeks."""


class ComparedRows(msgspec.Struct, frozen=True):
    summary: Summary
    table: RowTable


class RowWindow(msgspec.Struct, frozen=True):
    """`rows` is a JSON array of ChangeRow; `place` is that of the row asked for, UNSET where none was."""

    compared: ComparedRows
    matched: Matched
    rows: bytes
    place: int | UnsetType | None = UNSET


class RowsWanted(msgspec.Struct, frozen=True):
    """`row`: a path whose place among the rows is sought. `unchanged`: with rows of what is the same."""

    filter: RowFilter
    window: Window
    row: str | None
    unchanged: bool


class Pair(msgspec.Struct, frozen=True):
    """What is compared, and how. `of` says which two documents these are, among all of the project."""

    project: int
    of: Hashable
    settings: DiffSettings
    known: KnownKeys
    unchanged: bool = False
    bodies: tuple[bytes, bytes] | None = None
    """None while they are not read."""
    learned: KnownKeys = ()
    """The keys to compare with, of arrays: those that are known, else learned from a delta beside the pair."""

    @property
    def key(self) -> Hashable:
        return self.of, msgspec.json.encode(self.settings), self.known, self.unchanged


class RowCache:
    """The rows of comparisons, and which of them filters leave, by project."""

    def __init__(self) -> None:
        self.compared: FairCache[ComparedRows] = FairCache(CACHE_BYTES, most=MOST_CACHED)
        self.matched: FairCache[Matched] = FairCache(CACHE_BYTES // 4, most=4 * MOST_CACHED)
        self.locks = KeyedLocks()


def options(given: RowOptions, *, is_rows: bool) -> RowsWanted:
    """Raises Invalid for what is out of bounds, and for what has no effect on another format."""
    chosen = {name: value for name in RowOptions.__struct_fields__ if (value := getattr(given, name)) is not UNSET}
    if not is_rows and chosen:
        name = next(iter(chosen))
        raise Invalid(f"{name} goes with format=rows", field=name)
    fields, sought = tuple(chosen.pop("fields", ())), chosen.pop("q", "")
    wanted = RowFilter(tuple(dict.fromkeys(chosen.pop("ops", ()))), fields, sought)
    row, unchanged = chosen.pop("row", None), chosen.pop("unchanged", False)
    _check_fields(fields)
    if len(sought) > MOST_SOUGHT:
        raise Invalid(f"at most {MOST_SOUGHT} characters are sought", field="q")
    window = msgspec.structs.replace(DEFAULT_WINDOW, **chosen)
    return RowsWanted(wanted, window, None if row is None else _row(row), unchanged)


def _row(path: str) -> str:
    try:
        return pointer.in_brackets(path)
    except Invalid as error:
        raise Invalid(error.message, field="row") from None


def _check_fields(fields: tuple[str, ...]) -> None:
    if len(fields) > MOST_FIELDS:
        raise Invalid(f"at most {MOST_FIELDS} fields may be named", field="fields")
    for field in fields:
        try:
            steps = pointer.parse_pattern(field)
        except Invalid as error:
            raise Invalid(error.message, field="fields") from None
        if steps.count("**") > MAX_ANY_STEPS:
            raise Invalid(f"{field!r} has more than {MAX_ANY_STEPS} `**`", field="fields")


def cached(svc: Services, pair: Pair) -> ComparedRows | None:
    return svc.state(RowCache).compared.get(pair.project, pair.key)


async def compare(svc: Services, pair: Pair) -> ComparedRows:
    """The rows of a pair whose bodies were read; whoever asks for the same meanwhile waits for them."""
    cache = svc.state(RowCache)
    async with cache.locks.hold([hash(pair.key)]):
        if found := cached(svc, pair):
            return found
        assert pair.bodies is not None, "they are read before"
        cpu = svc.cpu_for(sum(map(len, pair.bodies)))
        summary, table = await cpu(compare_as_rows, *pair.bodies, pair.settings, pair.learned, pair.unchanged)
        found = ComparedRows(summary, table)
        cache.compared.put(pair.project, pair.key, found, table.size_bytes)
        return found


async def read_window(svc: Services, pair: Pair, compared: ComparedRows, wanted: RowsWanted) -> RowWindow:
    """A window of the rows that the filter leaves."""
    cache, key = svc.state(RowCache), (pair.key, wanted.filter)
    found = cache.matched.get(pair.project, key)
    table, filter = compared.table, wanted.filter
    if found is None:
        looked_at = len(table.rows) if filter.q else len(filter.fields) * len(table.fields)
        found = await svc.cpu_for(looked_at)(matched, table, filter)
        cache.matched.put(pair.project, key, found, found.size_bytes)
    rows = await svc.spare_cpu(written, table, found, wanted.window)
    if wanted.row is None:
        return RowWindow(compared, found, rows)
    return RowWindow(compared, found, rows, await svc.cpu_for(len(table.rows))(place_of, table, found, wanted.row))
