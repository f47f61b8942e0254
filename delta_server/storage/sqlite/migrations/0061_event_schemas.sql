-- What the events of a type have in common, of those that were looked at. `shape` is a core/schemas Shape as JSON in zstd,
-- without strings and ranges. `events` were looked at since the beginning with the number `begun`. Times are in ms: when the
-- last one was received, and the time of the latest.
CREATE TABLE event_schema (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL, event_type TEXT NOT NULL,
  begun INTEGER NOT NULL, events INTEGER NOT NULL, learned_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  shape BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_schema_type ON event_schema (project, event_type);
-- What strings and ranges there were in so many events, the first of a time of `first_at`: deleted when one of these is
-- past its retention, or a person was erased, and learned anew from what is left.
CREATE TABLE event_schema_values (
  schema INTEGER PRIMARY KEY REFERENCES event_schema, project INTEGER NOT NULL, events INTEGER NOT NULL,
  first_at INTEGER NOT NULL, shape BLOB NOT NULL
) STRICT;
CREATE INDEX event_schema_values_project ON event_schema_values (project, first_at);
-- What changed it, numbered from 1, with what it became. `level` is NULL of the first. `changes` is JSON, the first of `count`.
CREATE TABLE event_schema_change (
  schema INTEGER NOT NULL REFERENCES event_schema, number INTEGER NOT NULL, project INTEGER NOT NULL,
  changed_at INTEGER NOT NULL, level TEXT, count INTEGER NOT NULL, changes TEXT NOT NULL, events INTEGER NOT NULL,
  shape BLOB NOT NULL, PRIMARY KEY (schema, number)
) STRICT;
CREATE INDEX event_schema_change_time ON event_schema_change (project, changed_at);
-- How far a project's events were looked at: behind which file, and up to which seq. `begun` counts the beginnings.
CREATE TABLE event_schema_progress (
  project INTEGER PRIMARY KEY, file INTEGER NOT NULL, seq INTEGER NOT NULL, begun INTEGER NOT NULL
) STRICT;
