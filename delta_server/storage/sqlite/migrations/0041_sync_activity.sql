-- How many changes a device made of a data type in a day (`day` counts days since 1970), deletions among them. `device` 0
-- is the server itself.
CREATE TABLE sync_activity (
  collection INTEGER NOT NULL REFERENCES sync_collection, day INTEGER NOT NULL, device INTEGER NOT NULL,
  changes INTEGER NOT NULL, deletions INTEGER NOT NULL, PRIMARY KEY (collection, day, device)
) STRICT, WITHOUT ROWID;
INSERT INTO sync_activity (collection, day, device, changes, deletions)
  SELECT collection, changed_at / 86400000, coalesce(device, 0), count(*), sum(kind = 2) FROM sync_change
  WHERE collection IN (SELECT id FROM sync_collection) GROUP BY 1, 2, 3;
ALTER TABLE sync_upload_sum ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
