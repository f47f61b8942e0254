"""Records of a space, for those who speak other protocols with their devices.

whose(caller, project, headers)                 # of which space
pull(svc, whose, data_type, wanted)             # a page
stored(svc, whose, data_type, record_ids)       # what there is
apply(svc, whose, translated)                   # changes made on that
follow(svc, whose, heard, ...)                  # news
"""

from collections.abc import Mapping, Sequence

from delta_server.core.errors import TooLarge
from delta_server.core.sync import digest
from delta_server.core.sync.documents import Stored
from delta_server.core.sync.judging import DELETED
from delta_server.features.sync import store
from delta_server.features.sync.news import follow as follow
from delta_server.features.sync.news import parse_last_id as parse_last_id
from delta_server.features.sync.pulling import MAX_PAGE as MAX_PAGE
from delta_server.features.sync.pulling import Wanted as Wanted
from delta_server.features.sync.pulling import pull as pull
from delta_server.features.sync.pushing import Translated as Translated
from delta_server.features.sync.schemas import ChangeResult as ChangeResult
from delta_server.features.sync.schemas import Record as Record
from delta_server.features.sync.spaces import Whose as Whose
from delta_server.features.sync.spaces import checked_type as checked_type
from delta_server.features.sync.spaces import count_pull as count_pull
from delta_server.features.sync.spaces import count_push as count_push
from delta_server.features.sync.spaces import whose as whose
from delta_server.features.sync.states import store as states
from delta_server.features.sync.states.reading import Frozen as Frozen
from delta_server.features.sync.states.reading import freeze as freeze
from delta_server.features.sync.states.reading import pages as pages
from delta_server.features.sync.uploads.large_pushes import apply as apply
from delta_server.features.sync.writing import require_open
from delta_server.services import Services
from delta_server.storage.database import Tx

MOST_BYTES = 32 << 20
"""Of the records that one push of another protocol is compared with."""


async def stored(
    svc: Services,
    whose: Whose,
    record_ids: Mapping[str, Sequence[str]],
    *,
    bare: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, dict[str, Stored]]:
    """By data types the newest versions of records, those of purged deletions among them; of those in `bare` without
    contents. Raises TooLarge."""
    return await svc.db.read(_stored, whose, record_ids, bare or {})


def _stored(
    tx: Tx, whose: Whose, record_ids: Mapping[str, Sequence[str]], bare: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Stored]]:
    space = store.space(tx, whose.project, whose.owner)
    if space is not None:
        require_open(space)
    found: dict[str, dict[str, Stored]] = {name: {} for name in [*record_ids, *bare]}
    left = MOST_BYTES
    for data_type, of in found.items():
        collection = None if space is None else store.collection(tx, space.id, data_type)
        if collection is None:
            continue
        whole = list(dict.fromkeys(record_ids.get(data_type, ())))
        left -= states.stored_bytes(tx, collection.id, whole)
        if left < 0:
            raise TooLarge(
                f"the records here of these rows have more than {MOST_BYTES} bytes together: push fewer at once"
            )
        of |= _of_collection(tx, collection.id, whole, content=True)
        of |= _of_collection(tx, collection.id, bare.get(data_type, ()), content=False)
    return found


def _of_collection(tx: Tx, collection: int, record_ids: Sequence[str], *, content: bool) -> dict[str, Stored]:
    found = states.stored(tx, collection, record_ids, content=content)
    hashed = {digest.id_hash(record_id): record_id for record_id in record_ids if record_id not in found}
    return found | {hashed[each]: Stored(seq, DELETED) for each, seq in store.graves(tx, collection, hashed).items()}
