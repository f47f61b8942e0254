-- Accounts that wait for their address to be confirmed; `hash` is of the link's token, which is stored nowhere.
CREATE TABLE registration (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, account INTEGER NOT NULL REFERENCES account,
  email TEXT NOT NULL, name TEXT NOT NULL, password TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX registration_expiry ON registration (expires_at);
-- Mails to people belong to no project: the number of such jobs is 0, which no project has. Made anew without the reference
-- to `project`, which cannot be dropped otherwise; until now jobs are erasures of the last days, a few rows.
ALTER TABLE job RENAME TO job_of_project;
CREATE TABLE job (
  project INTEGER NOT NULL, id BLOB NOT NULL, kind TEXT NOT NULL, key BLOB, arguments TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'dead', 'cancelled')),
  attempts INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL DEFAULT 0, due_at INTEGER NOT NULL,
  done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, error TEXT,
  created_at INTEGER NOT NULL, finished_at INTEGER,
  PRIMARY KEY (project, id)
) STRICT, WITHOUT ROWID;
INSERT INTO job SELECT * FROM job_of_project;
DROP TABLE job_of_project;
CREATE INDEX job_due ON job (kind, project, due_at) WHERE finished_at IS NULL;
CREATE UNIQUE INDEX job_key ON job (project, kind, key) WHERE state = 'waiting' AND key IS NOT NULL;
CREATE INDEX job_ended ON job (finished_at) WHERE finished_at IS NOT NULL;
