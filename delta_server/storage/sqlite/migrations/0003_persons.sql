-- Which ids are one person's (core/persons.py): `name` is another id, `anonymous` or a user's, of the user `of` since the
-- call of `at`; `person` is where that leads in the end. `rev` is person_state.rev of the row's last change.
CREATE TABLE person_link (
  project INTEGER NOT NULL REFERENCES project, anonymous INTEGER NOT NULL, name TEXT NOT NULL, of TEXT NOT NULL,
  at INTEGER NOT NULL, person TEXT NOT NULL, rev INTEGER NOT NULL,
  PRIMARY KEY (project, anonymous, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX person_link_person ON person_link (project, person, of);
CREATE INDEX person_link_rev ON person_link (project, rev);
-- `rev` counts changes of a project's links, `forgotten` is what it was when some were last deleted.
CREATE TABLE person_state (
  project INTEGER PRIMARY KEY REFERENCES project, rev INTEGER NOT NULL DEFAULT 0, forgotten INTEGER NOT NULL DEFAULT 0
) STRICT;
-- What identify, group and alias calls told and is not applied yet: zstd of JSON, and JSON of the places in it that
-- were duplicates. Stored with the events themselves, applied a little at a time (features/profiles/settling.py).
CREATE TABLE person_change (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL REFERENCES project, calls INTEGER NOT NULL,
  changes BLOB NOT NULL, duplicates TEXT NOT NULL
) STRICT;
CREATE INDEX person_change_project ON person_change (project, id);
-- `told_at` is JSON {trait: ms}; `anonymous` = 1: known by an anonymous id only; `ids_ignored` counts calls that would
-- have given the user too many other ids.
ALTER TABLE profile ADD COLUMN told_at TEXT NOT NULL DEFAULT '{}';
ALTER TABLE profile ADD COLUMN anonymous INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profile ADD COLUMN ids_ignored INTEGER NOT NULL DEFAULT 0;
-- The table `alias` becomes links in the background; these indexes are of no use any more.
DROP INDEX alias_of;
DROP INDEX erasure_open;
CREATE INDEX erasure_open ON erasure (id) WHERE state <> 'done';
