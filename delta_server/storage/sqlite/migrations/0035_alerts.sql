-- Rules of alerts. `memory` is what judging keeps between versions (core/alerts/judging.py); judged are all versions up to
-- (`judged_at`, `judged_content`). A rule of time has `due_at` instead. `revision` tells apart the rule before and after
-- a change of its condition.
CREATE TABLE alert_rule (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, endpoint INTEGER REFERENCES endpoint,
  endpoint_uid BLOB, name TEXT NOT NULL, settings TEXT NOT NULL, muted_until INTEGER, memory TEXT NOT NULL,
  judged_at INTEGER NOT NULL, judged_content INTEGER NOT NULL, due_at INTEGER, revision INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX alert_rule_project ON alert_rule (project, id);
CREATE INDEX alert_rule_endpoint ON alert_rule (endpoint) WHERE endpoint IS NOT NULL;
CREATE INDEX alert_rule_due ON alert_rule (due_at) WHERE due_at IS NOT NULL;
-- What rules raised, of a record each; `cleared_at` NULL while it is raised. `value` and `most` are JSON.
CREATE TABLE alert (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, rule INTEGER NOT NULL REFERENCES alert_rule,
  record TEXT NOT NULL, label TEXT, limit_text TEXT NOT NULL, value TEXT, most TEXT, snapshot BLOB,
  cleared_snapshot BLOB, raised_at INTEGER NOT NULL, cleared_at INTEGER, sent TEXT NOT NULL, sent_at INTEGER
) STRICT;
CREATE INDEX alert_project ON alert (project, id);
CREATE INDEX alert_rule_alerts ON alert (rule, id);
CREATE INDEX alert_raised ON alert (rule, record) WHERE cleared_at IS NULL;
CREATE INDEX alert_project_raised ON alert (project, id) WHERE cleared_at IS NULL;
CREATE INDEX alert_cleared ON alert (cleared_at) WHERE cleared_at IS NOT NULL;
-- What is still to be sent: when quiet hours end, or in the digest of `due_at`.
CREATE TABLE alert_notice (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL, alert INTEGER NOT NULL REFERENCES alert, what TEXT NOT NULL,
  text TEXT NOT NULL, body TEXT NOT NULL, held INTEGER NOT NULL, digest INTEGER NOT NULL, due_at INTEGER NOT NULL
) STRICT;
CREATE INDEX alert_notice_due ON alert_notice (due_at);
CREATE INDEX alert_notice_project ON alert_notice (project, due_at);
CREATE INDEX alert_notice_alert ON alert_notice (alert);
