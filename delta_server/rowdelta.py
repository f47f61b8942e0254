"""What changed between two deliveries of rows, in bounded memory: a library, which needs no server.

from delta_server import rowdelta

with rowdelta.compare(before, after, rowdelta.Options(spill_directory=directory)) as delta:
    print(delta.summary)
    for line in delta.ops():
        ...
"""

from collections.abc import Generator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from delta_server.core.diff.diff_settings import Fields
from delta_server.core.errors import Unavailable
from delta_server.core.rowdelta import writing
from delta_server.core.rowdelta.comparing import Comparison
from delta_server.core.rowdelta.csv_lines import Table
from delta_server.core.rowdelta.operations import Operation
from delta_server.core.rowdelta.ports import Phase, Progress, Side, Source, Text
from delta_server.core.rowdelta.settings import Settings
from delta_server.core.rowdelta.summary import Summary
from delta_server.storage.rowdelta import parquet_file
from delta_server.storage.rowdelta.sources import CsvText, FileSource, SpooledSource, SpooledText, StreamSource
from delta_server.storage.rowdelta.spill_file import SpillFile

if TYPE_CHECKING:
    from delta_server.storage.rowdelta.assistant import ProcessAssistant

__all__ = [
    "Delta",
    "FileSource",
    "Operation",
    "Options",
    "Phase",
    "Progress",
    "Source",
    "StreamSource",
    "Summary",
    "compare",
]


class Options(Settings, frozen=True, kw_only=True):
    """`spill_directory`: where what does not fit in memory goes, in a file without a name. `two_processes`: large
    sources are read by a second process too."""

    spill_directory: Path
    two_processes: bool = False


class Delta:
    """Hold it in a `with`: what it spilled is on disk until its end."""

    def __init__(self, comparison: Comparison, opened: ExitStack, spill_directory: Path) -> None:
        self._comparison, self._opened, self._spill_directory = comparison, opened, spill_directory
        self.summary = comparison.summary

    def operations(self) -> Generator[Operation]:
        """Each row that was added, changed or removed: first those removed, in the order of `before`, then the others,
        in that of `after`. It can be left at any time, and be read again."""
        return self._comparison.operations()

    def ops(self) -> Generator[bytes]:
        """Lines of JSON: `{"op": "add" | "change" | "remove", "key", "before", "after"}`, then one with the summary."""
        return writing.ndjson(self._comparison.lines(), self.summary)

    def csv(self) -> Generator[bytes]:
        """Lines in pieces: `op`, the fields of the key, `before` and `after` as JSON."""
        return writing.csv(self.operations(), self.summary)

    def write_parquet(self, path: Path) -> None:
        """A file with the columns of `csv`, as texts."""
        parquet_file.write(path, self.operations(), self.summary, self._spill_directory)

    def close(self) -> None:
        self._opened.close()

    def __enter__(self) -> "Delta":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def compare(before: Source, after: Source, options: Options, progress: Progress | None = None) -> Delta:
    """Compare two sources; an exception that `progress` raises ends the work.

    Raises Invalid where the options or the rows are wrong, TooLarge where a row is, Conflict where a source changes
    meanwhile, and what the sources raise.
    """
    with ExitStack() as opened:
        spill = opened.enter_context(SpillFile(options.spill_directory))
        given: dict[Side, Source] = {"before": before, "after": after}
        sides = {side: _kept(source, options, opened) for side, source in given.items()}
        texts = _texts(given, options, opened)

        def assistant(fields: Fields, settings: Settings, table: Table | None) -> "ProcessAssistant":
            from delta_server.storage.rowdelta.assistant import ProcessAssistant  # here: it brings 7 MB

            files = _files(sides if table is None else texts)
            return ProcessAssistant(fields, settings, table, files=files, spill=_file(spill, table, files))

        comparison = Comparison(
            sides["before"],
            sides["after"],
            options,
            spill=spill,
            progress=progress or _no_progress,
            assistant=assistant if options.two_processes else None,
            texts=texts,
        )
        return Delta(comparison, opened.pop_all(), options.spill_directory)


def _kept(source: Source, options: Options, opened: ExitStack) -> Source:
    if not isinstance(source, FileSource | StreamSource) or not source.takes_long:
        return source
    kept = SpooledSource(source, options.spill_directory)
    opened.callback(kept.close)
    return kept


def _texts(given: Mapping[Side, Source], options: Options, opened: ExitStack) -> dict[Side, Text]:
    """Of those that are CSV."""
    texts: dict[Side, Text] = {}
    for side, source in given.items():
        text = source.text if isinstance(source, FileSource | StreamSource) else None
        if text is not None and text.file is None:
            texts[side] = kept = SpooledText(text, options.spill_directory)
            opened.callback(kept.close)
        elif text is not None:
            texts[side] = text
    return texts


def _files(sides: Mapping[Side, Source]) -> dict[Side, int]:
    kinds = FileSource | SpooledSource | CsvText
    opened = {side: source.file for side, source in sides.items() if isinstance(source, kinds)}
    return {side: file for side, file in opened.items() if file is not None}


def _file(spill: SpillFile, table: Table | None, files: Mapping[Side, int]) -> int | None:
    """Where rows will be moved into it."""
    if table is None and len(files) > 1:
        return None
    with suppress(Unavailable):  # for what needs none
        return spill.file
    return None


def _no_progress(rows_before: int, rows_after: int, phase: Phase) -> None:
    return None
