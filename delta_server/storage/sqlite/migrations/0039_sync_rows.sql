-- Versions are rows in the order in which they came: as a tree by (space, seq) a page held four of them, and a record that
-- was pulled was looked for through seven levels. Until now no release has any.
ALTER TABLE sync_change RENAME TO sync_change_by_seq;
CREATE TABLE sync_change (
  id INTEGER PRIMARY KEY, space INTEGER NOT NULL, seq INTEGER NOT NULL, collection INTEGER NOT NULL,
  record_id TEXT NOT NULL, kind INTEGER NOT NULL, content BLOB, checksum BLOB, device INTEGER, change_id TEXT,
  previous INTEGER, superseded_by INTEGER, updated_at INTEGER, changed_at INTEGER NOT NULL
) STRICT;
INSERT INTO sync_change (space, seq, collection, record_id, kind, content, checksum, device, change_id, previous,
  superseded_by, updated_at, changed_at)
SELECT space, seq, collection, record_id, kind, content, checksum, device, change_id, previous, superseded_by, updated_at,
  changed_at FROM sync_change_by_seq ORDER BY space, seq;
DROP TABLE sync_change_by_seq;
CREATE UNIQUE INDEX sync_change_number ON sync_change (space, seq);
CREATE UNIQUE INDEX sync_change_head ON sync_change (collection, record_id) WHERE superseded_by IS NULL;
CREATE INDEX sync_change_order ON sync_change (collection, seq, device) WHERE superseded_by IS NULL;
CREATE INDEX sync_change_tombstones ON sync_change (collection, seq) WHERE superseded_by IS NULL AND kind = 2;
CREATE UNIQUE INDEX sync_change_once ON sync_change (device, change_id) WHERE device IS NOT NULL;
CREATE INDEX sync_change_superseded ON sync_change (space, superseded_by) WHERE superseded_by IS NOT NULL;
