-- CRC-32 of a row (storage/row_checksums.py), NULL in rows from before.
ALTER TABLE delta ADD COLUMN checksum INTEGER;
ALTER TABLE field_change ADD COLUMN checksum INTEGER;
ALTER TABLE life ADD COLUMN checksum INTEGER;
ALTER TABLE snapshot ADD COLUMN checksum INTEGER;
ALTER TABLE profile ADD COLUMN checksum INTEGER;
ALTER TABLE person_change ADD COLUMN checksum INTEGER;
