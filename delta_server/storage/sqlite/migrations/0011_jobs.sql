-- Durable jobs (storage/jobs.py). `lease` is the number of the last claim, `due_at` when the next may come.
CREATE TABLE job (
  project INTEGER NOT NULL REFERENCES project, id BLOB NOT NULL, kind TEXT NOT NULL, key BLOB, arguments TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'dead', 'cancelled')),
  attempts INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL DEFAULT 0, due_at INTEGER NOT NULL,
  done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, error TEXT,
  created_at INTEGER NOT NULL, finished_at INTEGER,
  PRIMARY KEY (project, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_due ON job (kind, project, due_at) WHERE finished_at IS NULL;
CREATE UNIQUE INDEX job_key ON job (project, kind, key) WHERE state = 'waiting' AND key IS NOT NULL;
CREATE INDEX job_ended ON job (finished_at) WHERE finished_at IS NOT NULL;
-- An erasure that is not done is a job with its uid; only the record of what was done is in `erasure` then.
INSERT INTO job (project, id, kind, key, arguments, state, due_at, done, total, error, created_at)
  SELECT project, uid, 'erasure', digest, names, state, requested_at, segments_done, segments_total, error, requested_at
  FROM erasure INDEXED BY erasure_open WHERE state <> 'done';
UPDATE erasure INDEXED BY erasure_open SET names = '[]' WHERE state <> 'done';
DROP INDEX erasure_open;
