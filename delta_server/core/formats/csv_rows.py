"""CSV (RFC 4180) as an array of objects named by the first row, or of arrays with `text/csv; header=absent`.

A cell that is a number as JSON writes it is that number with all its digits, so that it can be compared and drawn;
`007`, `1e5`, `1,5` and all others are strings. Short rows lack the last members, long ones have `column_5` and so on.
"""

import csv
import io
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from delta_server.core.formats.bounds import Count, NotReadable

_DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,20})?", re.ASCII)
_NO_HEADER = re.compile(r";\s*header\s*=\s*absent\b", re.I)
_LONGEST_CELL = 1 << 24

csv.field_size_limit(_LONGEST_CELL)  # of the process, where nothing else reads CSV; 128 kB by default


def read(text: str, content_type: str = "") -> list[Any]:
    """Raises NotReadable."""
    delimiter = "\t" if "tab-separated" in content_type else _delimiter(text)
    count = Count("CSV")
    rows = _rows(text, delimiter, count)
    if _NO_HEADER.search(content_type):
        return [[_cell(cell) for cell in row] for row in rows]
    header = next(rows, None)
    if header is None:
        return []
    names = _names(header)
    return [dict(zip(_enough(names, len(row)), map(_cell, row), strict=False)) for row in rows]


def delimiter_of(text: str) -> str | None:
    """What divides the cells, where the first lines have as many each and more than one; None where they do not."""
    try:
        rows = [row for row, _ in zip(_rows(text, _delimiter(text), Count("CSV")), range(6), strict=False)]
    except NotReadable:
        return None
    widths = {len(row) for row in rows}
    return _delimiter(text) if len(rows) > 1 and len(widths) == 1 and widths != {1} else None


def _rows(text: str, delimiter: str, count: Count) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            count.add(len(row) + 1)
            if row:
                yield row
    except csv.Error as error:
        raise NotReadable(f"the CSV cannot be read at line {reader.line_num}: {error}") from None


def _delimiter(text: str) -> str:
    """The one that is most often in the first line, outside quotes."""
    lines = (line for line in io.StringIO(text[: 1 << 16]) if line.strip())
    outside = "".join(next(lines, "").split('"')[::2])
    return max(_DELIMITERS, key=lambda each: (outside.count(each), -_DELIMITERS.index(each)))


def _names(header: list[str]) -> list[str]:
    """Each once: `name`, `name_2`."""
    names: dict[str, None] = {}
    for at, cell in enumerate(header, 1):
        wanted = cell.strip() or f"column_{at}"
        name, number = wanted, 1
        while name in names:
            number += 1
            name = f"{wanted}_{number}"
        names[name] = None
    return list(names)


def _enough(names: list[str], wanted: int) -> list[str]:
    return names if wanted <= len(names) else names + [f"column_{at}" for at in range(len(names) + 1, wanted + 1)]


def _cell(text: str) -> Any:
    if not _NUMBER.fullmatch(text):
        return text
    return Decimal(text) if "." in text or text == "-0" else int(text)
