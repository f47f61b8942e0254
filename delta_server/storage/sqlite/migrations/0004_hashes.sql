-- xxh3-128 of what is stored of events, NULL in rows from before: such files are checked by decoding them. Those of a
-- segment's and a rollup's file stand in their rows, as SQLite walks through a large BLOB to what is stored behind it.
-- A block's hash is that of `events` followed by that of `keys`.
ALTER TABLE segment ADD COLUMN hash BLOB;
ALTER TABLE rollup ADD COLUMN hash BLOB;
ALTER TABLE event_block ADD COLUMN hash BLOB;
ALTER TABLE key_page ADD COLUMN hash BLOB;
ALTER TABLE key_run ADD COLUMN hash BLOB;
