"""Backups in `/metrics`: how old the newest is, and whether the last one failed."""

from collections.abc import Iterator

from delta_server.features.backups.keeper import Keeper
from delta_server.http.metrics import Sample
from delta_server.services import Services


def samples(svc: Services) -> Iterator[Sample]:
    """No age where there is no backup: nothing would be as wrong as zero."""
    state = svc.state(Keeper)
    yield Sample("delta_backup_failing", "1 while the last backup has failed.", state.failed is not None)
    if state.newest_ms is not None:
        age_s = max(0, svc.clock.now_ms() - state.newest_ms) / 1000
        yield Sample("delta_backup_age_seconds", "Age of the newest backup that the server keeps.", age_s)
