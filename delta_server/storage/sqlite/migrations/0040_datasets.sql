-- `settings` is JSON. What a client delivered is in the blob store, in the folder that its row names; `manifest` is a copy
-- of the manifest there, for lists.
CREATE TABLE dataset (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project, name TEXT NOT NULL, settings TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX dataset_name ON dataset (project, name);
CREATE TABLE dataset_client (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project, dataset INTEGER NOT NULL REFERENCES dataset,
  name TEXT NOT NULL, folder TEXT NOT NULL, manifest TEXT NOT NULL, changed_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX dataset_client_name ON dataset_client (dataset, name);
CREATE INDEX dataset_client_project ON dataset_client (project);
-- Deliveries that are being written, so that one that was never finished is deleted.
CREATE TABLE dataset_upload (
  resource TEXT PRIMARY KEY, client INTEGER NOT NULL REFERENCES dataset_client, started_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX dataset_upload_client ON dataset_upload (client);
