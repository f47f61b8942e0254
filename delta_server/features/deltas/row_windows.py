"""Windows of a comparison's rows. A pair is compared once and its rows are kept for a while, so that a page that shows
20,000 of them reads, filters and searches without comparing again."""

from collections.abc import Hashable

import msgspec
from msgspec import UNSET

from delta_server.core.diff.diff_settings import MAX_ANY_STEPS, DiffSettings, KnownKeys
from delta_server.core.diff.row_table import RowTable
from delta_server.core.diff.row_windows import Matched, RowFilter, Window, matched, written
from delta_server.core.errors import Invalid
from delta_server.core.json import pointer
from delta_server.features.deltas.rows import End, Summary
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
    """`rows` is a JSON array of ChangeRow."""

    compared: ComparedRows
    matched: Matched
    rows: bytes


class Pair(msgspec.Struct, frozen=True):
    """What is compared, and how."""

    project: int
    ends: tuple[End, End]
    settings: DiffSettings
    known: KnownKeys
    bodies: tuple[bytes, bytes] | None = None
    """None while they are not read."""
    learned: KnownKeys = ()
    """The keys to compare with, of arrays: those that are known, else learned from a delta beside the pair."""

    @property
    def key(self) -> Hashable:
        before, after = self.ends
        return before.content, after.content, msgspec.json.encode(self.settings), self.known


class RowCache:
    """The rows of comparisons, and which of them filters leave, by project."""

    def __init__(self) -> None:
        self.compared: FairCache[ComparedRows] = FairCache(CACHE_BYTES, most=MOST_CACHED)
        self.matched: FairCache[Matched] = FairCache(CACHE_BYTES // 4, most=4 * MOST_CACHED)
        self.locks = KeyedLocks()


def options(given: RowOptions, *, is_rows: bool) -> tuple[RowFilter, Window]:
    """Raises Invalid for what is out of bounds, and for what has no effect on another format."""
    chosen = {name: value for name in RowOptions.__struct_fields__ if (value := getattr(given, name)) is not UNSET}
    if not is_rows and chosen:
        name = next(iter(chosen))
        raise Invalid(f"{name} goes with format=rows", field=name)
    fields, sought = tuple(chosen.pop("fields", ())), chosen.pop("q", "")
    wanted = RowFilter(tuple(dict.fromkeys(chosen.pop("ops", ()))), fields, sought)
    _check_fields(fields)
    if len(sought) > MOST_SOUGHT:
        raise Invalid(f"at most {MOST_SOUGHT} characters are sought", field="q")
    return wanted, msgspec.structs.replace(DEFAULT_WINDOW, **chosen)


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
        summary, table = await cpu(compare_as_rows, *pair.bodies, pair.settings, pair.learned)
        found = ComparedRows(summary, table)
        cache.compared.put(pair.project, pair.key, found, table.size_bytes)
        return found


async def read_window(
    svc: Services, pair: Pair, compared: ComparedRows, wanted: RowFilter, window: Window
) -> RowWindow:
    """A window of the rows that `wanted` leaves."""
    cache, key = svc.state(RowCache), (pair.key, wanted)
    found = cache.matched.get(pair.project, key)
    if found is None:
        looked_at = len(compared.table.rows) if wanted.q else len(wanted.fields) * len(compared.table.fields)
        cpu = svc.cpu_for(looked_at)
        found = await cpu(matched, compared.table, wanted)
        cache.matched.put(pair.project, key, found, found.size_bytes)
    return RowWindow(compared, found, await svc.spare_cpu(written, compared.table, found, window))
