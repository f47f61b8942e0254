CREATE TABLE account (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL
) STRICT;
-- AUTOINCREMENT: the id of a deleted tenant, key or endpoint never comes back, so what was asked of one while it went
-- cannot reach another.
CREATE TABLE project (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, account INTEGER NOT NULL REFERENCES account,
  name TEXT NOT NULL, description TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX project_name ON project (account, name) WHERE deleted_at IS NULL;
CREATE TABLE api_key (
  id INTEGER PRIMARY KEY AUTOINCREMENT, public_id TEXT NOT NULL UNIQUE, secret_hash BLOB NOT NULL,
  account INTEGER NOT NULL REFERENCES account, project INTEGER REFERENCES project,
  name TEXT NOT NULL, scopes TEXT NOT NULL, created_at INTEGER NOT NULL,
  expires_at INTEGER, revoked_at INTEGER, last_used_at INTEGER
) STRICT;
CREATE INDEX api_key_project ON api_key (project);
CREATE TABLE endpoint (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, project INTEGER NOT NULL REFERENCES project,
  name TEXT NOT NULL, description TEXT NOT NULL, diff TEXT NOT NULL, retention TEXT NOT NULL,
  diff_version INTEGER NOT NULL, recompute_before INTEGER, content_deltas INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, deleted_at INTEGER
) STRICT;
CREATE INDEX endpoint_recompute ON endpoint (id) WHERE recompute_before IS NOT NULL;
CREATE INDEX endpoint_project ON endpoint (project);
CREATE UNIQUE INDEX endpoint_name ON endpoint (project, name) WHERE deleted_at IS NULL;
CREATE TABLE snapshot (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, endpoint INTEGER NOT NULL, captured_at INTEGER NOT NULL,
  content INTEGER NOT NULL, source TEXT, metadata TEXT
) STRICT;
CREATE UNIQUE INDEX snapshot_uid ON snapshot (uid);
CREATE UNIQUE INDEX snapshot_time ON snapshot (endpoint, captured_at);
-- AUTOINCREMENT: an id is never used twice, so what was encoded against a content cannot meet another one under its id.
CREATE TABLE content (
  id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint INTEGER NOT NULL, captured_at INTEGER NOT NULL, size INTEGER NOT NULL,
  hash BLOB NOT NULL, pack INTEGER, position INTEGER, dead INTEGER NOT NULL, pending INTEGER NOT NULL
) STRICT;
CREATE INDEX content_time ON content (endpoint, captured_at) WHERE dead = 0;
CREATE INDEX content_pending ON content (endpoint, captured_at) WHERE pending = 1;
CREATE INDEX content_failed ON content (endpoint) WHERE pending = 2;
CREATE INDEX content_dead ON content (endpoint, pack) WHERE dead = 1;
-- `depth` counts the frames decoded to read this one, or more: those below it may be in a pack by now.
CREATE TABLE frame (
  content INTEGER PRIMARY KEY, endpoint INTEGER NOT NULL, size INTEGER NOT NULL, base INTEGER, depth INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;
CREATE INDEX frame_endpoint ON frame (endpoint, size);
CREATE INDEX frame_base ON frame (base) WHERE base IS NOT NULL;
-- A pack's last content, its anchor, is a frame of its own in `anchor`, based on the content `base` (another pack's
-- anchor). `data` is all its other contents in one frame whose dictionary is the base followed by the anchor; a content's
-- `position` is its place there, -1 for the anchor. `members` is MessagePack of [first content, count, first, ...].
CREATE TABLE pack (
  id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint INTEGER NOT NULL, captured_at INTEGER NOT NULL, deep INTEGER NOT NULL,
  base INTEGER, chain INTEGER NOT NULL, contents INTEGER NOT NULL, size INTEGER NOT NULL, created_at INTEGER NOT NULL,
  members BLOB NOT NULL, anchor BLOB NOT NULL, data BLOB NOT NULL
) STRICT;
CREATE INDEX pack_time ON pack (endpoint, captured_at);
CREATE INDEX pack_base ON pack (base) WHERE base IS NOT NULL;
CREATE TABLE delta (
  content INTEGER PRIMARY KEY, captured_at INTEGER NOT NULL,
  diff_version INTEGER NOT NULL, kind INTEGER NOT NULL, added INTEGER NOT NULL, removed INTEGER NOT NULL,
  replaced INTEGER NOT NULL, moved INTEGER NOT NULL, similarity INTEGER NOT NULL, fields BLOB NOT NULL
) STRICT;
CREATE TABLE field (
  id INTEGER PRIMARY KEY, endpoint INTEGER NOT NULL, pattern TEXT NOT NULL, changes INTEGER NOT NULL,
  deltas INTEGER NOT NULL, types INTEGER NOT NULL, UNIQUE (endpoint, pattern)
) STRICT;
CREATE TABLE field_change (
  field INTEGER NOT NULL, captured_at INTEGER NOT NULL, PRIMARY KEY (field, captured_at)
) STRICT, WITHOUT ROWID;
CREATE TABLE once (
  scope BLOB PRIMARY KEY, request BLOB NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL, created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX once_created ON once (created_at);
