"""The epoch of all numbers here: it changes when the database was put back from an older copy, however that was done.

Changes that the copy lacks were answered already, and their numbers would be given again. So at each start the database
is compared with the mark beside it: behind it, or without any, a new epoch begins. Cursors of the one before ask for a
resync then, and numbers go on from so far ahead that no version which a device holds is that of another change, nor
newer than one of this epoch.
"""

import asyncio
import os
from pathlib import Path

import structlog

from delta_server.features.sync import store
from delta_server.services import Services
from delta_server.storage import high_water
from delta_server.storage.database import Tx
from delta_server.storage.high_water import Mark

log = structlog.get_logger("delta.sync")

MARK_NAME = "sync.mark"
_EPOCH_BYTES = 8
MARK_EVERY_MS = 5000


class Marked:
    """When the mark was written last."""

    at_ms = 0


def begin_another(tx: Tx, kept: Mark | None = None) -> None:
    """Numbers go on behind those that `kept` knows of, and the few since; without it from a place by chance."""
    _begin(tx)
    chance = int.from_bytes(os.urandom(4)) >> (2 if kept is None else 12)
    store.skip_numbers(tx, 0 if kept is None else kept.newest, (1 << 20) + chance)


def _begin(tx: Tx) -> None:
    store.set_epoch(tx, os.urandom(_EPOCH_BYTES))


async def begin(svc: Services) -> None:
    """At each start."""
    found = svc.db.peek(_mark)
    kept = await asyncio.to_thread(high_water.read, _path(svc))
    if not found.epoch and kept is None:
        await svc.db.write(_begin)
    elif kept is None or kept.epoch != found.epoch or kept.writes > found.writes:
        log.warning("the database was put back from a copy: devices that sync are asked for a resync")
        await svc.db.write(begin_another, kept)
    await mark(svc)


async def mark_in_time(svc: Services) -> None:
    """After a write."""
    if svc.clock.now_ms() - svc.state(Marked).at_ms >= MARK_EVERY_MS:
        await mark(svc)


async def mark(svc: Services) -> None:
    svc.state(Marked).at_ms = svc.clock.now_ms()
    try:
        await asyncio.to_thread(high_water.write, _path(svc), svc.db.peek(_mark))
    except OSError as error:
        log.warning("the mark of sync cannot be written", reason=str(error))


def _mark(tx: Tx) -> Mark:
    writes, newest, _ = store.counts(tx)
    return Mark(store.epoch(tx).hex(), writes, newest)


def _path(svc: Services) -> Path:
    return svc.config.storage.data_dir / MARK_NAME
