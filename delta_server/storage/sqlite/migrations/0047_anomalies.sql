-- What is known of each series that is watched, judged up to the hour of its progress; `endpoint` is 0 for events. `state`
-- is core/anomalies/judging.py's.
CREATE TABLE anomaly_series (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL, endpoint INTEGER NOT NULL, kind TEXT NOT NULL,
  name TEXT NOT NULL, judged_at INTEGER NOT NULL, state BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX anomaly_series_name ON anomaly_series (project, endpoint, kind, name);
CREATE INDEX anomaly_series_endpoint ON anomaly_series (endpoint);
-- Up to which hour since 1970 an endpoint, or with 0 the events, were judged.
CREATE TABLE anomaly_progress (
  project INTEGER NOT NULL, endpoint INTEGER NOT NULL, hour INTEGER NOT NULL, PRIMARY KEY (project, endpoint)
) STRICT, WITHOUT ROWID;
CREATE INDEX anomaly_progress_endpoint ON anomaly_progress (endpoint);
-- An episode in which a series was unusual; `ended_at` is NULL while it lasts, `label` the new value of those that are
-- new. `breakdown` is JSON.
CREATE TABLE anomaly (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, project INTEGER NOT NULL, endpoint INTEGER NOT NULL,
  series TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, began_at INTEGER NOT NULL, ended_at INTEGER,
  peak_at INTEGER NOT NULL, value REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL, deviations REAL NOT NULL,
  label TEXT, breakdown TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX anomaly_episode ON anomaly (project, endpoint, series, name, began_at);
CREATE INDEX anomaly_time ON anomaly (project, began_at, id);
CREATE INDEX anomaly_endpoint ON anomaly (endpoint, began_at);
