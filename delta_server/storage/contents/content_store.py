"""What the store of contents works with. `app.py` makes it, `Services.contents` is it."""

import msgspec

from delta_server.storage.cache import Cache
from delta_server.storage.cold.pieces import ColdPieces
from delta_server.storage.contents.options import Packs
from delta_server.storage.database import Clock, Database, Threads


class ContentStore(msgspec.Struct, frozen=True):
    db: Database
    cache: Cache
    packs: Packs
    clock: Clock
    cpu: Threads
    spare_cpu: Threads
    """For packing, which may take long and which nobody waits for."""
    cold: ColdPieces
