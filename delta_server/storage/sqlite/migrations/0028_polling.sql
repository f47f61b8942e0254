-- How endpoints are polled (features/polling). `settings` are JSON without what is secret, which is sealed in `secrets`;
-- `version` grows with each change of them. `active`: it counts for the plan. `due_at` is when it is polled next, NULL
-- for never: switched off, paused, deleted. `host` is what is asked one request at a time. `standing` is JSON of the
-- failures so far, `source` JSON of what the last answer said of itself.
CREATE TABLE polling (
  endpoint INTEGER PRIMARY KEY, project INTEGER NOT NULL, uid BLOB NOT NULL, settings TEXT NOT NULL, secrets BLOB,
  version INTEGER NOT NULL, active INTEGER NOT NULL, due_at INTEGER, host TEXT NOT NULL,
  standing TEXT NOT NULL DEFAULT '{}', source TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX polling_due ON polling (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX polling_project ON polling (project, endpoint);
-- The record of polls (features/polls). `class` is of the error, NULL where there was none; `snapshot` the id of the
-- snapshot that was stored; `steps` JSON of what took how long, `detail` what was wrong.
CREATE TABLE poll (
  endpoint INTEGER NOT NULL, at INTEGER NOT NULL, status INTEGER, ms INTEGER NOT NULL, bytes INTEGER NOT NULL,
  changed INTEGER NOT NULL, class TEXT, snapshot BLOB, steps TEXT NOT NULL, detail TEXT,
  PRIMARY KEY (endpoint, at)
) STRICT, WITHOUT ROWID;
