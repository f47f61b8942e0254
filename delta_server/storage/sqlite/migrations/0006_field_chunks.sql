-- A row of field_change is a chunk of the times at which a field changed (core/postings.py): `captured_at` is the first
-- of them, `later` the others, NULL when there is none. So a row from before is a chunk of one.
ALTER TABLE field_change ADD COLUMN later BLOB;
-- When the field changed last; NULL until it changes again: then the rows from before tell.
ALTER TABLE field ADD COLUMN changed_at INTEGER;
