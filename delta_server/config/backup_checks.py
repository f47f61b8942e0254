"""What the options of backups must be."""

from collections.abc import Iterator
from pathlib import Path

from delta_server.config.sections import Config
from delta_server.core import backup_plan
from delta_server.core.errors import Invalid


def problems(config: Config) -> Iterator[str]:
    """Each begins with the option that is to be changed."""
    backups = config.backups
    try:
        backup_plan.parse(backups.schedule)
    except Invalid as error:
        yield f"backups.schedule: {error.message}, got {backups.schedule!r}"
    place = Path(backups.directory or ".") if "://" not in backups.directory else None
    if backups.directory and place and place.absolute() == config.storage.data_dir.absolute():
        yield "backups.directory: is the data directory itself: name another, best on another disk"
