"""What a comparison of rows reads from and writes to."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol

Side = Literal["before", "after"]
Phase = Literal["before", "after", "join", "check", "write"]
Progress = Callable[[int, int, Phase], None]
"""Called with the rows read of either side, many times a second; what it raises ends the work."""


ReadAt = Callable[[int, int], bytes]
"""Reads so many bytes at an offset."""


class Source(Protocol):
    """Rows as NDJSON in UTF-8. It is opened up to four times, and must be the same each time."""

    def open(self) -> Iterator[bytes]:
        """Pieces of any size."""
        ...

    @property
    def read_at(self) -> ReadAt | None:
        """Of what `open` yields; None where that would take long. It may answer less at the end."""
        ...


class Text(Source, Protocol):
    """The text that a source makes its rows of: CSV in UTF-8."""

    @property
    def digest(self) -> str:
        """Of all of it, when it was read to its end; in hex."""
        ...


class Assistant(Protocol):
    """Works beside us: makes entries of blocks (entries.py), joins those of a part (joining.py), and reads rows again
    (checking.py, pairs.py)."""

    def is_ready(self) -> bool:
        """It may take a while to begin."""
        ...

    def reads(self, side: Side) -> bool:
        """This side by itself: then it may be given blocks before what it made of the last ones is taken."""
        ...

    def moved(self, side: Side) -> None:
        """The rows of a side are in the spill from now on."""
        ...

    def give(self, side: Side, offset: int, blocks: list[bytes]) -> None:
        """Those that follow each other from an offset on."""
        ...

    def give_part(self, before: bytes, after: bytes) -> None:
        """The entries of both sides, to be joined."""
        ...

    def give_left(self, side: Side, entries: bytes) -> None:
        """Those of a side that it reads by itself, in the order of their places."""
        ...

    def give_pairs(self, pairs: bytes, *, with_lines: bool) -> None:
        """Rows of both sides with the same key (pairs.py), where it reads both by itself; whether it is to answer the
        lines of their operations too."""
        ...

    def take(self) -> bytes:
        """What it made of what it was given first, nothing where it could not."""
        ...


class Spill(Protocol):
    """Bytes that do not fit in memory."""

    def write(self, data: bytes) -> int:
        """The offset at which they can be read."""
        ...

    def write_all(self, pieces: Sequence[bytes]) -> int:
        """One behind another; the offset of the first."""
        ...

    def read(self, offset: int, size: int) -> bytes: ...

    def flush(self) -> None:
        """So that others who have it open can read what was written."""
        ...
