-- What happened, in the order of the commits (storage/outbox.py). AUTOINCREMENT: a seq never comes back.
CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL REFERENCES project, kind TEXT NOT NULL,
  at INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_project ON outbox (project);
-- Up to where each consumer has read; the one without a name says up to where rows were deleted.
CREATE TABLE outbox_cursor (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
