"""Settings of endpoints: changes put in, and texts as they are stored."""

from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core.diff import diff_settings
from delta_server.core.diff.diff_settings import DiffSettings
from delta_server.features.endpoints.schemas import DiffChange, Retention, RetentionChange
from delta_server.storage.row_checksums import ChecksummedTable

T = TypeVar("T", DiffSettings, Retention)

encoded = msgspec.json.Encoder(order="deterministic").encode


def merged(before: str, change: DiffChange | RetentionChange | UnsetType | None, kind: type[T]) -> T:
    """The stored settings with those of the change put in; null takes one out."""
    if change is None:
        return kind()
    settings = msgspec.json.decode(before, type=dict[str, Any])
    if change is not UNSET:
        settings |= msgspec.to_builtins(change)  # leaves out what is unset
    return msgspec.convert({name: value for name, value in settings.items() if value is not None}, kind)


def compared_by(diff: str) -> DiffSettings:
    """Settings without those that change no comparison."""
    return msgspec.structs.replace(msgspec.json.decode(diff, type=DiffSettings), labels={})


def diff_text(settings: DiffSettings) -> str:
    """Raises Invalid, naming every wrong part."""
    diff_settings.validate(settings)
    return encoded(settings).decode()


@lru_cache(maxsize=256)
def decoded(diff: str, retention: str) -> tuple[DiffSettings, Retention]:
    """Once for all endpoints with the same settings; most have none."""
    return msgspec.json.decode(diff, type=DiffSettings), msgspec.json.decode(retention, type=Retention)


def _check(diff: bytes, retention: bytes) -> None:
    decoded(diff.decode(), retention.decode())


ROWS = ChecksummedTable("endpoint", key=("id",), covered=("diff", "retention"), check=_check, has_checksum=False)
