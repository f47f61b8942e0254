-- How many records there were when the day began, or when many deletions were confirmed since. A conflict of an upload is
-- hidden until the upload is visible.
ALTER TABLE sync_collection ADD COLUMN day_records INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_conflict ADD COLUMN is_hidden INTEGER NOT NULL DEFAULT 0;
