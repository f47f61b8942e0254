-- Events that came in and are not sealed yet: what one commit brought of one project. `seq` is the first event's;
-- `events` is zstd of NDJSON (core/event.py), `keys` the deduplication keys of those with a message id, 10 bytes each.
-- No id twice: who reads along asks for what came after the last it has.
CREATE TABLE event_block (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL REFERENCES project, seq INTEGER NOT NULL UNIQUE,
  events_count INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
  raw_bytes INTEGER NOT NULL, events BLOB NOT NULL, keys BLOB NOT NULL
) STRICT;
CREATE INDEX event_block_project ON event_block (project, id);
-- Sealed events, sorted by time. `types` is JSON {event type: count}; `json_bytes` is what the events were as lines.
-- `rolled` = 1: its events are in the rollups.
CREATE TABLE segment (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL REFERENCES project,
  events_count INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, types TEXT NOT NULL,
  json_bytes INTEGER NOT NULL, stored_bytes INTEGER NOT NULL, created_at INTEGER NOT NULL,
  rolled INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX segment_project ON segment (project, first_at);
CREATE INDEX segment_unrolled ON segment (project) WHERE rolled = 0;
CREATE TABLE segment_data (segment INTEGER PRIMARY KEY REFERENCES segment, parquet BLOB NOT NULL) STRICT;
-- Deduplication keys of sealed events (core/key_run.py): a run is gone as a whole when its newest is past its time. One
-- with an empty filter is not whole yet. Its sorted keys, 10 bytes each, stand in pages of 400, which fill a page of the
-- file: reading one far inside of a large BLOB walks along all of it. A page's id is its run's << 20 | its number.
CREATE TABLE key_run (
  id INTEGER PRIMARY KEY AUTOINCREMENT, oldest_at INTEGER NOT NULL, newest_at INTEGER NOT NULL,
  keys_count INTEGER NOT NULL, filter BLOB NOT NULL
) STRICT;
CREATE TABLE key_page (id INTEGER PRIMARY KEY, keys BLOB NOT NULL) STRICT;
-- Continuous aggregates: a Parquet file holds the buckets of one interval that begin in its range, and no other file of
-- that interval and part does (storage/events/rollups.py, rollup_cells.py).
CREATE TABLE rollup (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL REFERENCES project, interval_ms INTEGER NOT NULL,
  part INTEGER NOT NULL, first_at INTEGER NOT NULL, end_at INTEGER NOT NULL, rows_count INTEGER NOT NULL, stored_bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL, UNIQUE (project, interval_ms, part, first_at)
) STRICT;
CREATE TABLE rollup_data (rollup INTEGER PRIMARY KEY REFERENCES rollup, parquet BLOB NOT NULL) STRICT;
-- A project's own settings for events: JSON, absent for the defaults. `version` goes up whenever sealed events change
-- other than by new ones coming in: with it, cached answers are known to be old. `sealed_until` is the newest
-- block that is sealed, `sealed_seq` the largest seq of such a block.
-- `rollups` is JSON: see Known in core/rollup_plan.py.
CREATE TABLE event_settings (
  project INTEGER PRIMARY KEY REFERENCES project, retention TEXT NOT NULL DEFAULT '{}', version INTEGER NOT NULL DEFAULT 0,
  sealed_until INTEGER NOT NULL DEFAULT 0, sealed_seq INTEGER NOT NULL DEFAULT 0, rollups TEXT NOT NULL DEFAULT '{}'
) STRICT;
-- What identify and group calls told of users and groups, and when events told of them first and last.
CREATE TABLE profile (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project, kind TEXT NOT NULL CHECK (kind IN ('user', 'group')),
  name TEXT NOT NULL, traits TEXT NOT NULL, first_seen_at INTEGER NOT NULL, last_seen_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (project, kind, name)
) STRICT;
CREATE INDEX profile_last_seen ON profile (project, kind, last_seen_at, id);
-- Up to which time of arrival the project's events are known to its profiles.
CREATE TABLE profiled (project INTEGER PRIMARY KEY REFERENCES project, until INTEGER NOT NULL) STRICT;
-- `name` is another id of the user `of`: chains are flattened when written.
CREATE TABLE alias (
  project INTEGER NOT NULL REFERENCES project, name TEXT NOT NULL, of TEXT NOT NULL, created_at INTEGER NOT NULL,
  PRIMARY KEY (project, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_of ON alias (project, of);
-- Erasures: the job, and afterwards its record. `names` (JSON, all ids of the person) is emptied when it is done, and
-- `digest` stays: proof for who asks about an id, without keeping it.
CREATE TABLE erasure (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, project INTEGER NOT NULL REFERENCES project,
  digest BLOB NOT NULL, names TEXT NOT NULL, requested_at INTEGER NOT NULL, requested_by TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')), finished_at INTEGER,
  segments_done INTEGER NOT NULL DEFAULT 0, segments_total INTEGER NOT NULL DEFAULT 0,
  events_erased INTEGER NOT NULL DEFAULT 0, error TEXT
) STRICT;
CREATE INDEX erasure_project ON erasure (project, id);
CREATE INDEX erasure_open ON erasure (id) WHERE state IN ('waiting', 'running');
ALTER TABLE api_key ADD COLUMN origins TEXT NOT NULL DEFAULT '[]';
