"""Counts, sizes and progress as commands print them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


def versions(count: int) -> str:
    return "1 version" if count == 1 else f"{count} versions"


def size(count: int) -> str:
    """`312 bytes`, `9.1 kB`, `1.2 MB`."""
    if count < 1000:
        return "1 byte" if count == 1 else f"{count} bytes"
    return f"{count / 1e3:.1f} kB" if count < 1_000_000 else f"{count / 1e6:.1f} MB"


def progress() -> Progress:
    """A bar on stderr; its tasks need the field `counts`. Nothing where stderr is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


@contextmanager
def steps(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr from the first call on, which takes how much is done and of how much; none without `what`."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not (what and sys.stderr.isatty())) as bars:
        bar = bars.add_task(what, total=None, visible=False)
        yield lambda done, of: bars.update(bar, completed=done, total=of, visible=True)
