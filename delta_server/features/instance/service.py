"""What there is to know of the server as a whole: the files it keeps, and the configuration in force."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from delta_server.config import load
from delta_server.config.sections import Config
from delta_server.services import Services

PARTS = ("database", "log", "reserve", "backups", "other")
_PART_OF = {
    "delta.db": "database",
    "delta.db-wal": "log",
    "delta.db-shm": "log",
    "delta.reserve": "reserve",
    "backups": "backups",
}
MOST_FILES = 10_000
"""What is looked at: the directory has a dozen files, unless somebody keeps others in it."""


async def directory_parts(svc: Services) -> dict[str, int]:
    """Bytes of each of PARTS."""
    return await svc.cpu(_sizes, svc.config.storage.data_dir)


def _sizes(directory: Path) -> dict[str, int]:
    sizes = Counter[str]()
    for _, (part, size) in zip(range(MOST_FILES), _files(directory, None), strict=False):
        sizes[part] += size
    return {part: sizes[part] for part in PARTS}


def _files(directory: Path, part: str | None) -> Iterator[tuple[str, int]]:
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                of = part or _PART_OF.get(entry.name, "other")
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path), of)
                else:
                    yield of, entry.stat(follow_symlinks=False).st_size
    except OSError:  # files come and go: what is gone occupies nothing
        return


def config_in_force(config: Config) -> list[tuple[str, str, bool, bool]]:
    """(option, value as TOML, whether it is the default, whether it is secret) of every option."""
    defaults = {name: text for name, text, _ in load.values(Config())}
    return [(name, text, defaults.get(name) == text, secret) for name, text, secret in load.values(config)]
