-- The JSON Schema that an endpoint's documents are held against. `source` says whether it was given, or is what had been
-- learned by then.
CREATE TABLE enforcement (
  endpoint INTEGER PRIMARY KEY REFERENCES endpoint, mode TEXT NOT NULL, source TEXT NOT NULL, schema TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;
-- Polled documents that did not fit. `misfits` is JSON, `body` zstd.
CREATE TABLE kept_aside (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, endpoint INTEGER NOT NULL REFERENCES endpoint, captured_at INTEGER NOT NULL,
  size INTEGER NOT NULL, hash BLOB NOT NULL, misfits TEXT NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX kept_aside_endpoint ON kept_aside (endpoint, id);
