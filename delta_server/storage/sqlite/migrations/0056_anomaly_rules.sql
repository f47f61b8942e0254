-- When an anomaly was found, or changed last, in ms: later than any other of its endpoint, or of the events, before it.
ALTER TABLE anomaly ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX anomaly_changed ON anomaly (project, endpoint, changed_at);
-- Fields that rules of alerts are about: they are watched before any other.
CREATE TABLE anomaly_watched (
  project INTEGER NOT NULL, endpoint INTEGER NOT NULL, path TEXT NOT NULL, PRIMARY KEY (project, endpoint, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX anomaly_watched_endpoint ON anomaly_watched (endpoint);
