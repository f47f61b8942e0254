"""Commands that a running server carries out; without one, this process does."""

import asyncio
from typing import Any

from delta_server import app
from delta_server.cli import counting
from delta_server.config.sections import Config
from delta_server.core.actor import COMMAND_LINE
from delta_server.storage.database import ACTING
from delta_server.storage.sqlite.directory_lock import InUse
from delta_server.tasks import commands


def run(config: Config, name: str, arguments: Any, *, doing: str = "") -> Any:
    """The command's result. `doing` stands beside the bar of its progress. Raises DeltaError."""
    command = app.COMMANDS[name]

    async def here(progress: commands.Progress) -> Any:
        ACTING.set(COMMAND_LINE)
        async with app.open_services(config) as services:
            return await command.run(services, arguments, progress)

    with counting.steps(doing) as progress:
        try:
            return asyncio.run(here(progress))
        except InUse as error:
            try:
                return commands.ask(config.storage.data_dir, name, command, arguments, progress)
            except OSError:  # not a server's: another command holds the directory
                raise error from None
