-- How often computing the delta to a content began and did not end.
ALTER TABLE content ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
