-- What the versions of an endpoint have at the path of a series that was asked for: a chart reads only those that are new.
-- `made_with` is a digest of what the readings depend on beside the documents; `data` is core/history/kept_readings.py's.
CREATE TABLE kept_series (
  id INTEGER PRIMARY KEY,
  project INTEGER NOT NULL,
  endpoint INTEGER NOT NULL,
  path TEXT NOT NULL,
  made_with BLOB NOT NULL,
  asked_at INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX kept_series_path ON kept_series (endpoint, path);
