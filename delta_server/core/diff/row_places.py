"""Where a path stands among the rows of a comparison: what a link to a row leads to."""

from delta_server.core.diff.row_table import INDEX, RowTable
from delta_server.core.diff.row_windows import Matched


def place_of(table: RowTable, found: Matched, path: str) -> int | None:
    """The place, of those that a filter left, of the row at a path; else of the one in whose value it is, of the first
    one under it, or of the first one of its record. None where nothing is near."""
    numbers, record_of = memoryview(found.rows).cast(INDEX), table.indexes(table.record_of)
    above, under, beside = (0, None), None, None  # type: tuple[int, int | None], int | None, int | None
    group, record, is_near = -1, "", False
    for place, number in enumerate(numbers):
        if record_of[number] != group:
            group = record_of[number]
            record = table.record(group).path
            is_near = _is_in(path, record) or _is_in(record, path)
        if not is_near:
            continue
        at = table.row(number).at
        own = f"{record}/{at}" if at else record
        if own == path:
            return place
        if _is_in(path, own) and len(own) >= above[0]:
            above = len(own), place
        elif under is None and _is_in(own, path):
            under = place
        elif beside is None and record and _is_in(path, record):
            beside = place
    return next((each for each in (above[1], under, beside) if each is not None), None)


def _is_in(path: str, above: str) -> bool:
    return path == above or path.startswith(above + "/")
