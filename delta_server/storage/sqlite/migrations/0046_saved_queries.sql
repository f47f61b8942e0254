-- Questions that people saved: `spec` is the JSON body of the kind's route, `view` the query of the dashboard's address.
CREATE TABLE saved_query (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
  spec TEXT NOT NULL, view TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX saved_query_project ON saved_query (project, id);
