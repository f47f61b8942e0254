"""What two devices disagree about, for those who take what they push.

conflicts_of(tx, project, data_type)            # what is to happen
insert_conflict(tx, space, collection, device, conflict)    # it waits for a choice
"""

from delta_server.features.conflicts.store import Conflict as Conflict
from delta_server.features.conflicts.store import DataType as DataType
from delta_server.features.conflicts.store import KnownConflict as KnownConflict
from delta_server.features.conflicts.store import NewConflict as NewConflict
from delta_server.features.conflicts.store import conflict as conflict
from delta_server.features.conflicts.store import conflicts_of as conflicts_of
from delta_server.features.conflicts.store import count_types as count_types
from delta_server.features.conflicts.store import count_waiting as count_waiting
from delta_server.features.conflicts.store import data_type as data_type
from delta_server.features.conflicts.store import delete_of_upload as delete_of_upload
from delta_server.features.conflicts.store import delete_some as delete_some
from delta_server.features.conflicts.store import delete_types as delete_types
from delta_server.features.conflicts.store import insert_conflict as insert_conflict
from delta_server.features.conflicts.store import known_conflicts as known_conflicts
from delta_server.features.conflicts.store import next_conflict as next_conflict
from delta_server.features.conflicts.store import put_type as put_type
from delta_server.features.conflicts.store import resolve as resolve
from delta_server.features.conflicts.store import schema_of as schema_of
from delta_server.features.conflicts.store import show_hidden as show_hidden
from delta_server.features.conflicts.store import types as types
