-- One sequence of changes for each space: a person of a project, or what a key names. `changed_at` is that of the newest
-- change and never goes back. `epoch` becomes another one when a backup is restored; `writes` counts what
-- was pushed, and `skipped` are the numbers left out since.
CREATE TABLE sync_epoch (
  id INTEGER PRIMARY KEY CHECK (id = 1), epoch BLOB NOT NULL, writes INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE sync_space (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project, owner TEXT NOT NULL, seq INTEGER NOT NULL,
  changed_at INTEGER NOT NULL, created_at INTEGER NOT NULL, records INTEGER NOT NULL DEFAULT 0,
  size_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX sync_space_owner ON sync_space (project, owner);
CREATE INDEX sync_space_changed ON sync_space (project, changed_at, id);
-- The records of one data type in one space. `horizon` is the sequence number of the newest tombstone that was purged,
-- `horizon_at` its time.
-- `day` counts days since 1970; `day_deleted` records were deleted that day. `digest` is the exclusive or of
-- what core/sync/digest.py makes of each living record.
CREATE TABLE sync_collection (
  id INTEGER PRIMARY KEY, space INTEGER NOT NULL REFERENCES sync_space,
  data_type TEXT NOT NULL, seq INTEGER NOT NULL, horizon INTEGER NOT NULL DEFAULT 0,
  horizon_at INTEGER NOT NULL DEFAULT 0, records INTEGER NOT NULL DEFAULT 0, tombstones INTEGER NOT NULL DEFAULT 0, size_bytes INTEGER NOT NULL DEFAULT 0, digest BLOB NOT NULL,
  day INTEGER NOT NULL DEFAULT 0, day_deleted INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX sync_collection_type ON sync_collection (space, data_type);
-- Every version of every record; the newest of one, its head, has no `superseded_by`. `kind`: 0 JSON, 1 encrypted,
-- 2 deleted. `previous` is the version before.
CREATE TABLE sync_change (
  space INTEGER NOT NULL REFERENCES sync_space, seq INTEGER NOT NULL, collection INTEGER NOT NULL, record_id TEXT NOT NULL,
  kind INTEGER NOT NULL, content BLOB, checksum BLOB, device INTEGER, change_id TEXT, previous INTEGER,
  superseded_by INTEGER, updated_at INTEGER, changed_at INTEGER NOT NULL,
  PRIMARY KEY (space, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX sync_change_head ON sync_change (collection, record_id) WHERE superseded_by IS NULL;
CREATE INDEX sync_change_order ON sync_change (collection, seq, device) WHERE superseded_by IS NULL;
CREATE INDEX sync_change_tombstones ON sync_change (collection, seq) WHERE superseded_by IS NULL AND kind = 2;
CREATE UNIQUE INDEX sync_change_once ON sync_change (device, change_id) WHERE device IS NOT NULL;
CREATE INDEX sync_change_superseded ON sync_change (space, superseded_by) WHERE superseded_by IS NOT NULL;
-- The ids, hashed, of records whose tombstones were purged, with the sequence number of their deletion.
CREATE TABLE sync_grave (
  collection INTEGER NOT NULL REFERENCES sync_collection, id_hash BLOB NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (collection, id_hash)
) STRICT, WITHOUT ROWID;
-- `device_id` is what the device calls itself, `session` who it was last signed in as.
CREATE TABLE sync_device (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, space INTEGER NOT NULL REFERENCES sync_space, device_id TEXT NOT NULL,
  name TEXT, session INTEGER, made_at INTEGER NOT NULL, seen_at INTEGER NOT NULL, removed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX sync_device_uid ON sync_device (uid);
CREATE UNIQUE INDEX sync_device_id ON sync_device (space, device_id);
-- How far a device has pulled each collection.
CREATE TABLE sync_position (
  device INTEGER NOT NULL REFERENCES sync_device, collection INTEGER NOT NULL REFERENCES sync_collection,
  seq INTEGER NOT NULL, pulled_at INTEGER NOT NULL, PRIMARY KEY (device, collection)
) STRICT, WITHOUT ROWID;
-- What a batch was answered, for when it comes again.
CREATE TABLE sync_batch (
  device INTEGER NOT NULL REFERENCES sync_device, batch_id TEXT NOT NULL, request BLOB NOT NULL, answer BLOB NOT NULL,
  created_at INTEGER NOT NULL, PRIMARY KEY (device, batch_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sync_batch_age ON sync_batch (created_at);
-- How a project keeps a data type: what happens when two devices change a record, and what records must be.
CREATE TABLE sync_type (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project, name TEXT NOT NULL, conflicts TEXT NOT NULL,
  schema TEXT, updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX sync_type_name ON sync_type (project, name);
-- What a device pushed to a record that another had changed, kept until somebody chooses. `base` is the version it knew,
-- `server` the one it met. `version` is the record's after a choice was made, NULL while it waits.
CREATE TABLE sync_conflict (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, space INTEGER NOT NULL REFERENCES sync_space,
  collection INTEGER NOT NULL REFERENCES sync_collection, record_id TEXT NOT NULL, device INTEGER NOT NULL,
  change_id TEXT NOT NULL, kind INTEGER NOT NULL, content BLOB, checksum BLOB, base INTEGER, server INTEGER NOT NULL,
  updated_at INTEGER, created_at INTEGER NOT NULL, version INTEGER, resolved_at INTEGER
) STRICT;
CREATE UNIQUE INDEX sync_conflict_uid ON sync_conflict (uid);
CREATE INDEX sync_conflict_space ON sync_conflict (space, id);
CREATE INDEX sync_conflict_waiting ON sync_conflict (space, id) WHERE version IS NULL;
CREATE INDEX sync_conflict_resolved ON sync_conflict (resolved_at) WHERE resolved_at IS NOT NULL;
CREATE UNIQUE INDEX sync_conflict_once ON sync_conflict (device, change_id);
