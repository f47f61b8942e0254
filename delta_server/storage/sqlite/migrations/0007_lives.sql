-- The index of lives: what the deltas say of the places in documents (core/lives.py). `run` = 0: the entries of the delta
-- of `captured_at`, which is `last_at` too; they hold in place of those that a run has of that time. `run` = 1: those of
-- many deltas, from `captured_at` to `last_at` (core/life_runs.py).
CREATE TABLE life (
  endpoint INTEGER NOT NULL, run INTEGER NOT NULL, captured_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  entries BLOB NOT NULL, PRIMARY KEY (endpoint, run, captured_at)
) STRICT, WITHOUT ROWID;
-- The deltas of contents captured before it are still to be computed once more for that index; NULL: none. The default is
-- for endpoints from before: later than any time.
ALTER TABLE endpoint ADD COLUMN reindex_before INTEGER DEFAULT 4611686018427387904;
DROP INDEX endpoint_recompute;
CREATE INDEX endpoint_recompute ON endpoint (id) WHERE recompute_before IS NOT NULL OR reindex_before IS NOT NULL;
