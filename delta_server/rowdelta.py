"""What changed between two deliveries of rows, in bounded memory: a library, which needs no server.

from delta_server import rowdelta

with rowdelta.compare(before, after, rowdelta.Options(spill_directory=directory)) as delta:
    print(delta.summary)
    for line in delta.ops():
        ...
"""

from collections.abc import Generator
from pathlib import Path
from types import TracebackType

from delta_server.core.rowdelta.comparing import Comparison
from delta_server.core.rowdelta.ports import Phase, Progress, Source
from delta_server.core.rowdelta.settings import Settings
from delta_server.core.rowdelta.summary import Summary
from delta_server.storage.rowdelta.sources import FileSource
from delta_server.storage.rowdelta.spill_file import SpillFile

__all__ = ["Delta", "FileSource", "Options", "Phase", "Progress", "Source", "Summary", "compare"]


class Options(Settings, frozen=True, kw_only=True):
    """`spill_directory`: where what does not fit in memory goes, in a file without a name."""

    spill_directory: Path


class Delta:
    """Hold it in a `with`: what it spilled is on disk until its end."""

    def __init__(self, comparison: Comparison, spill: SpillFile) -> None:
        self._comparison, self._spill = comparison, spill
        self.summary = comparison.summary

    def ops(self) -> Generator[bytes]:
        """Lines of JSON: `{"op": "add" | "change" | "remove", "key", "before", "after"}`, then one with the summary."""
        return self._comparison.lines()

    def close(self) -> None:
        self._spill.close()

    def __enter__(self) -> "Delta":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def compare(before: Source, after: Source, options: Options, progress: Progress | None = None) -> Delta:
    """Compare two sources; an exception that `progress` raises ends the work.

    Raises Invalid where the options or the rows are wrong, TooLarge where a row is, Conflict where a source changes
    meanwhile, and what the sources raise.
    """
    spill = SpillFile(options.spill_directory)
    try:
        return Delta(Comparison(before, after, options, spill=spill, progress=progress or _no_progress), spill)
    except BaseException:
        spill.close()
        raise


def _no_progress(rows_before: int, rows_after: int, phase: Phase) -> None:
    return None
