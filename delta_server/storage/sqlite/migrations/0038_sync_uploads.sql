-- While an upload becomes visible `staged` is the newest number that was given to its records, and nothing is pushed: what
-- is numbered above `seq` is hidden, and a version that something above `seq` replaced still is the newest one to be seen.
ALTER TABLE sync_space ADD COLUMN staged INTEGER;
-- Records that a device sends in parts, and that are to be visible all at once. `state`: open, waiting (all are there),
-- staging, undoing, done. `staged_lines` of its `lines` are in sync_change, numbered from `first_seq` to `last_seq`;
-- `shown_at` is when they became visible. `refusal` is why it did not.
CREATE TABLE sync_upload (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, space INTEGER NOT NULL REFERENCES sync_space, device INTEGER NOT NULL,
  upload_id TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'open', lines INTEGER NOT NULL DEFAULT 0,
  size_bytes INTEGER NOT NULL DEFAULT 0, staged_lines INTEGER NOT NULL DEFAULT 0, applied INTEGER NOT NULL DEFAULT 0,
  duplicate INTEGER NOT NULL DEFAULT 0, conflict INTEGER NOT NULL DEFAULT 0, first_seq INTEGER, last_seq INTEGER,
  shown_at INTEGER, confirm TEXT, refusal BLOB, created_at INTEGER NOT NULL, touched_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX sync_upload_id ON sync_upload (device, upload_id);
CREATE INDEX sync_upload_space ON sync_upload (space);
CREATE INDEX sync_upload_open ON sync_upload (space, size_bytes) WHERE state <> 'done';
CREATE INDEX sync_upload_shown ON sync_upload (space, last_seq) WHERE shown_at IS NOT NULL;
CREATE INDEX sync_upload_touched ON sync_upload (state, touched_at);
-- `content` goes once it is visible; `results` is what became of each line, `conflicts` how many of them conflict.
CREATE TABLE sync_upload_part (
  id INTEGER PRIMARY KEY, upload INTEGER NOT NULL REFERENCES sync_upload, first_line INTEGER NOT NULL,
  lines INTEGER NOT NULL, conflicts INTEGER NOT NULL DEFAULT 0, results BLOB, content BLOB
) STRICT;
CREATE UNIQUE INDEX sync_upload_part_line ON sync_upload_part (upload, first_line);
CREATE INDEX sync_upload_part_conflicts ON sync_upload_part (upload, first_line) WHERE conflicts > 0;
-- What the sums of a collection become more by, once an upload is visible.
CREATE TABLE sync_upload_sum (
  upload INTEGER NOT NULL REFERENCES sync_upload, collection INTEGER NOT NULL, seq INTEGER NOT NULL,
  records INTEGER NOT NULL, tombstones INTEGER NOT NULL, size_bytes INTEGER NOT NULL, deleted INTEGER NOT NULL,
  digest BLOB NOT NULL, PRIMARY KEY (upload, collection)
) STRICT, WITHOUT ROWID;
