"""How an endpoint is polled: what its owner says, kept, and its secrets sealed. Who polls is features/polls."""

from collections.abc import Sequence

import msgspec

from delta_server.core import destinations
from delta_server.core.polling import checks, schedule
from delta_server.core.polling import settings as polling_settings
from delta_server.core.polling.schedule import Standing
from delta_server.core.polling.settings import PollingChange, PollingSettings, Secrets
from delta_server.core.sealing import Unreadable
from delta_server.features.polling import schemas, store
from delta_server.features.polling.schemas import EXAMPLE as EXAMPLE
from delta_server.features.polling.schemas import EXAMPLE_SETTINGS as EXAMPLE_SETTINGS
from delta_server.features.polling.schemas import PollingShown as PollingShown
from delta_server.features.polling.store import Due as Due
from delta_server.features.polling.store import Polled as Polled
from delta_server.features.polling.store import any_due_later as any_due_later
from delta_server.features.polling.store import asking as asking
from delta_server.features.polling.store import count as count
from delta_server.features.polling.store import due as due
from delta_server.features.polling.store import due_later as due_later
from delta_server.features.polling.store import end_poll as end_poll
from delta_server.features.polling.store import find as find
from delta_server.features.polling.store import hold_host as hold_host
from delta_server.features.polling.store import next_due as next_due
from delta_server.features.polling.store import postpone as postpone
from delta_server.features.polling.store import that_failed as that_failed
from delta_server.storage.database import Tx
from delta_server.storage.vault import Vault

SOURCE_NAME = "poll"
"""The `source` of snapshots that were polled."""
_encode = msgspec.json.Encoder(order="deterministic").encode


def change(tx: Tx, project: int, endpoint: int, uid: bytes, wanted: PollingChange | None, vault: Vault) -> bool:
    """Put a change of an endpoint's polling into its settings, None ends it; whether that made a difference. It is
    polled at once, and what was known of failures is forgotten. Raises Invalid, naming every wrong part."""
    before = store.find(tx, endpoint)
    if wanted is None:
        return before is not None and store.delete(tx, endpoint)
    old = None if before is None else _known(before, vault)
    settings = polling_settings.changed(old, wanted)
    checks.validate(settings)
    standing = Standing() if before is None else standing_of(before)
    is_paused = standing.paused_at is not None
    if settings == old and not (is_paused and settings.enabled):
        return False
    secrets = polling_settings.secrets_of(settings)
    target = destinations.parse(settings.url)
    assert target is not None, "checked"
    row = store.Polled(
        endpoint=endpoint,
        project=project,
        uid=uid,
        settings=_encode(polling_settings.masked(settings)).decode(),
        secrets=None if secrets is None else vault.seal(_encode(secrets), bound_to=_bound_to(uid)),
        version=1 if before is None else before.version + 1,
        due_at=tx.now_ms if settings.enabled else None,
        host=target.host,
        standing=_encode(Standing() if old is None else schedule.after_change(old, standing)).decode(),
        source="{}",
    )
    store.put(tx, project, endpoint, row, active=settings.enabled)
    return True


def is_active(tx: Tx, endpoint: int) -> bool:
    """Whether it counts for the plan, or would if the endpoint were not deleted."""
    row = store.find(tx, endpoint)
    return row is not None and masked_settings(row).enabled


def suspend(tx: Tx, endpoint: int) -> None:
    """Of an endpoint that is deleted and may be restored."""
    store.set_active(tx, endpoint, None, active=False)


def resume(tx: Tx, endpoint: int) -> None:
    """Of one that is restored."""
    row = store.find(tx, endpoint)
    if row is not None:
        enabled = masked_settings(row).enabled
        is_due = enabled and standing_of(row).paused_at is None
        store.set_active(tx, endpoint, tx.now_ms if is_due else None, active=enabled)


def shown(tx: Tx, project: int, endpoints: Sequence[int]) -> dict[int, PollingShown]:
    """Of those that are polled, what is answered."""
    return {
        row.endpoint: schemas.shown(masked_settings(row), standing_of(row), row.due_at, tx.now_ms)
        for row in store.of_project(tx, project, endpoints)
    }


def masked_settings(row: Polled) -> PollingSettings:
    return msgspec.json.decode(row.settings, type=PollingSettings)


def standing_of(row: Polled) -> Standing:
    return msgspec.json.decode(row.standing, type=Standing)


def settings_of(row: Polled, vault: Vault) -> PollingSettings:
    """With its secrets. Raises Unreadable when they were sealed with another key."""
    settings = masked_settings(row)
    if row.secrets is None:
        return settings
    secrets = msgspec.json.decode(vault.unseal(row.secrets, bound_to=_bound_to(row.uid)), type=Secrets)
    return polling_settings.with_secrets(settings, secrets)


def seed_of(uid: bytes) -> int:
    """The endpoint's own number, which spreads start times: of the random end of its id."""
    return int.from_bytes(uid[10:], "big")


def _known(row: Polled, vault: Vault) -> PollingSettings:
    """Where the secrets cannot be read any more the masks stay, which a change has to replace."""
    try:
        return settings_of(row, vault)
    except Unreadable:
        return masked_settings(row)


def _bound_to(uid: bytes) -> str:
    return f"polling of endpoint {uid.hex()}"
