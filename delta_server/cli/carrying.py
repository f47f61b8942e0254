"""Having many commands carried out one after the other: by the running server, or by this process without one."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from delta_server import app
from delta_server.config.sections import Config
from delta_server.services import Services
from delta_server.storage.sqlite.directory_lock import InUse
from delta_server.tasks import commands
from delta_server.tasks.feeding import Feed, Part


class Carrier:
    """Has commands carried out: by the running server, or here."""

    def __init__(self, config: Config, services: Services | None) -> None:
        self._config, self._services = config, services

    async def run(self, name: str, arguments: Any, parts: Iterator[Part] | None = None) -> Any:
        command = app.COMMANDS[name]
        if self._services is None:
            ask = (self._config.storage.data_dir, name, command, arguments, lambda *_: None)
            return await asyncio.to_thread(commands.ask, *ask, parts or ())
        if parts is None:
            return await command.run(self._services, arguments, lambda *_: None)
        with ThreadPoolExecutor(1) as thread:
            return await command.run(self._services, arguments, lambda *_: None, Feed(thread, parts))


@asynccontextmanager
async def carrier(config: Config) -> AsyncIterator[Carrier]:
    try:
        async with app.open_services(config) as services:
            yield Carrier(config, services)
    except InUse:
        yield Carrier(config, None)
