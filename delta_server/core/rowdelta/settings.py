"""How two deliveries of rows are compared."""

import msgspec

from delta_server.core.diff import diff_settings
from delta_server.core.diff.diff_settings import DiffSettings, Rules
from delta_server.core.errors import FieldError, Invalid
from delta_server.core.option_types import KIB, MIB

MIN_MEMORY_BYTES = 4 * KIB
_PLACE = "settings"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Fields and patterns are written as in the settings of comparisons of documents (docs/deltas.md).

    `key_fields`: the one to three fields that identify a row, nested ones as `properties/code`, an element of an array
    by its index; found when none are given. `ignore`: places in a row, such as `/updated_at`. `tolerance`: numbers that
    differ by no more are equal; rows with the same key alone are compared so. `trusted_hash`: the top-level field whose
    value differs whenever its row does, which spares reading unchanged rows. `memory_bytes`: for digests of rows, and
    what is being joined.
    """

    key_fields: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    tolerance: float | None = None
    trusted_hash: str | None = None
    memory_bytes: int = 48 * MIB
    max_row_bytes: int = 8 * MIB

    def as_diff_settings(self) -> DiffSettings:
        keys = {"": list(self.key_fields)} if self.key_fields else {}
        return DiffSettings(array_keys=keys, ignore=list(self.ignore), tolerance=self.tolerance or 0.0)

    def rules(self) -> Rules | None:
        """Those at a row."""
        return diff_settings.rules(DiffSettings(ignore=list(self.ignore), tolerance=self.tolerance or 0.0))


def _own_name(field: str) -> str:
    """As these settings have it, not those of documents."""
    return field.replace(f"{_PLACE}.array_keys['']", "key_fields").removeprefix(f"{_PLACE}.")


def validate(settings: Settings) -> None:
    """Raises Invalid."""
    try:
        diff_settings.validate(settings.as_diff_settings(), field=_PLACE)
    except Invalid as error:
        errors = [FieldError(_own_name(each.field), each.message) for each in error.errors]
        raise Invalid(errors[0].message, errors=errors) from None
    if settings.memory_bytes < MIN_MEMORY_BYTES:
        raise Invalid(f"memory_bytes must be at least {MIN_MEMORY_BYTES}", field="memory_bytes")
    for pattern in settings.ignore:
        if any(pattern == f"/{field}" or f"/{field}".startswith(pattern + "/") for field in settings.key_fields):
            raise Invalid(f"{pattern} is part of the key, which cannot be ignored", field="ignore")
