"""How the deliveries of a dataset are compared, and what guards against one that lacks most rows."""

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.rowdelta import settings as row_settings
from delta_server.core.rowdelta.summary import Summary

MOST_NAME = 200
"""Characters of the name of a field."""


class Settings(msgspec.Struct, frozen=True):
    """The first four are those of core/rowdelta/settings.py. A delivery that lacks more than `guard_percent` of the
    rows before it, and more than `guard_rows`, is promoted when that was confirmed only."""

    key_fields: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    tolerance: float = 0
    trusted_hash: str = ""
    guard_percent: float = 50
    guard_rows: int = 50

    def of_rows(self) -> row_settings.Settings:
        return row_settings.Settings(
            key_fields=self.key_fields,
            ignore=self.ignore,
            tolerance=self.tolerance or None,
            trusted_hash=self.trusted_hash or None,
        )

    @property
    def is_guarded(self) -> bool:
        return self.guard_percent < 100

    def guards_against(self, summary: Summary) -> bool:
        return summary.removed > self.guard_rows and summary.removed_share * 100 > self.guard_percent


def check(settings: Settings) -> Settings:
    """Raises Invalid."""
    if not 0 <= settings.tolerance < float("inf"):
        raise Invalid("tolerance is a number from 0", field="tolerance")
    if not 0 <= settings.guard_percent <= 100:
        raise Invalid("guard_percent is from 0 to 100; 100 allows everything", field="guard_percent")
    if settings.guard_rows < 0:
        raise Invalid("guard_rows is from 0", field="guard_rows")
    if len(settings.trusted_hash) > MOST_NAME:
        raise Invalid(f"a field has a name of at most {MOST_NAME} characters", field="trusted_hash")
    row_settings.validate(settings.of_rows())
    return settings
