-- The largest number that any space was given, so that those after a restore are larger than all before it.
ALTER TABLE sync_epoch ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;
UPDATE sync_epoch SET newest = (SELECT coalesce(max(seq), 0) FROM sync_space);
