"""Commands that a running server carries out; without one, this process does."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from delta_server import app
from delta_server.config.sections import Config
from delta_server.storage.sqlite.directory_lock import InUse
from delta_server.tasks import commands


def run(config: Config, name: str, arguments: Any, *, doing: str = "") -> Any:
    """The command's result. `doing` stands beside the bar of its progress. Raises DeltaError."""
    command = app.COMMANDS[name]

    async def here(progress: commands.Progress) -> Any:
        async with app.open_services(config) as services:
            return await command.run(services, arguments, progress)

    with _progress(doing) as progress:
        try:
            return asyncio.run(here(progress))
        except InUse as error:
            try:
                return commands.ask(config.storage.data_dir, name, command, arguments, progress)
            except OSError:  # not a server's: another command holds the directory
                raise error from None


@contextmanager
def _progress(what: str) -> Iterator[commands.Progress]:
    """A bar on stderr once there is progress."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not (what and sys.stderr.isatty())) as progress:
        bar = progress.add_task(what, total=None, visible=False)
        yield lambda done, of: progress.update(bar, completed=done, total=of, visible=True)
