-- What happened to an endpoint on a day in UTC, so that a timeline costs what it shows: `snapshots` counts those captured
-- on it, the others its deltas, by kind and by what they edit; `hours` has the same by hour (core/history/activity.py).
CREATE TABLE activity (
  endpoint INTEGER NOT NULL, day INTEGER NOT NULL, snapshots INTEGER NOT NULL DEFAULT 0,
  content INTEGER NOT NULL DEFAULT 0, reorder INTEGER NOT NULL DEFAULT 0, format INTEGER NOT NULL DEFAULT 0,
  ignored INTEGER NOT NULL DEFAULT 0, added INTEGER NOT NULL DEFAULT 0, removed INTEGER NOT NULL DEFAULT 0,
  replaced INTEGER NOT NULL DEFAULT 0, moved INTEGER NOT NULL DEFAULT 0, hours BLOB NOT NULL DEFAULT x'',
  PRIMARY KEY (endpoint, day)
) STRICT, WITHOUT ROWID;
-- What was captured before it is still to be counted in `activity`; NULL: nothing. The default is for endpoints from
-- before: later than any time.
ALTER TABLE endpoint ADD COLUMN uncounted_before INTEGER DEFAULT 4611686018427387904;
