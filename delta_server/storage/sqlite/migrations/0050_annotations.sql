-- What people and programs noted of a time, drawn on the axis of charts: at a moment, or until `end_at`.
CREATE TABLE annotation (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, begins_at INTEGER NOT NULL, end_at INTEGER,
  kind TEXT NOT NULL, text TEXT NOT NULL, link TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX annotation_time ON annotation (project, begins_at, id);
CREATE INDEX annotation_end ON annotation (project, end_at) WHERE end_at IS NOT NULL;
