-- What is kept of visits to a project's websites, and which sites those are; JSON.
CREATE TABLE visit_settings (project INTEGER PRIMARY KEY, settings TEXT NOT NULL) STRICT;
-- The secret that visitors' ids of one day (of UTC, counted from 1970) are made with, sealed. Deleted when the day is over.
CREATE TABLE visit_salt (
  project INTEGER NOT NULL, day INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (project, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX visit_salt_day ON visit_salt (day);
