-- Webhooks: whom happenings are sent to. `settings` is JSON of what may be shown, `target` the address, headers and
-- secrets, sealed with delta.key. `made_by_user` or `made_by_key` answers for it, neither: the command line. NULL in
-- `off_because`: it is on. `failing_since`: no delivery has arrived since.
CREATE TABLE webhook (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL REFERENCES project, uid BLOB NOT NULL,
  account INTEGER NOT NULL REFERENCES account, settings TEXT NOT NULL, target BLOB NOT NULL, made_by_user INTEGER,
  made_by_key TEXT, off_because TEXT, failing_since INTEGER, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  UNIQUE (project, uid)
) STRICT;
-- What is sent to them, one row for each happening and webhook, in the order of the happenings; within a lane, which is
-- an endpoint, they arrive in that order. `at` is the happening's time, `body` JSON, `attempts` a JSON array.
CREATE TABLE delivery (
  id INTEGER PRIMARY KEY AUTOINCREMENT, webhook INTEGER NOT NULL, lane INTEGER NOT NULL, kind TEXT NOT NULL,
  at INTEGER NOT NULL, body TEXT NOT NULL, is_test INTEGER NOT NULL, state TEXT NOT NULL, failures INTEGER NOT NULL,
  due_at INTEGER NOT NULL, ended_at INTEGER, attempts TEXT NOT NULL
) STRICT;
CREATE INDEX delivery_webhook ON delivery (webhook);
CREATE INDEX delivery_open ON delivery (webhook, lane) WHERE ended_at IS NULL;
-- How many arrived and how many attempts failed, by the hour since 1970.
CREATE TABLE webhook_hour (
  webhook INTEGER NOT NULL, hour INTEGER NOT NULL, arrived INTEGER NOT NULL, failed INTEGER NOT NULL,
  PRIMARY KEY (webhook, hour)
) STRICT, WITHOUT ROWID;
