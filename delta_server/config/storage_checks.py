"""What the options of backups, and of what is stored elsewhere, must be."""

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
    addresses = {
        "storage.blobs": config.storage.blobs,
        "storage.cold": config.storage.cold,
        "backups.directory": backups.directory,
    }
    for option, address in addresses.items():
        if _has_password(address):
            yield f"{option}: has a password, which logs and pages show: give it by AWS_SECRET_ACCESS_KEY"


def _has_password(address: str) -> bool:
    """A slash may be in it, as it is not in one of RFC 3986."""
    person, is_there, _ = address.partition("://")[2].rpartition("@")
    return bool(is_there) and ":" in person
