-- What was learned from an endpoint's documents, up to the version at (`learned_at`, `learned_content`). `shape` is a
-- core/schemas Shape as JSON in zstd.
CREATE TABLE endpoint_schema (
  endpoint INTEGER PRIMARY KEY REFERENCES endpoint, project INTEGER NOT NULL, versions INTEGER NOT NULL,
  learned_at INTEGER NOT NULL, learned_content INTEGER NOT NULL, shape BLOB NOT NULL
) STRICT;
-- The versions that changed it, with what it became. `level` is NULL of the first. `changes` is JSON, the first of `count`.
CREATE TABLE endpoint_schema_change (
  endpoint INTEGER NOT NULL REFERENCES endpoint, captured_at INTEGER NOT NULL, snapshot BLOB NOT NULL, level TEXT,
  count INTEGER NOT NULL, changes TEXT NOT NULL, versions INTEGER NOT NULL, shape BLOB NOT NULL,
  PRIMARY KEY (endpoint, captured_at)
) STRICT;
