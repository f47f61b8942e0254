-- What has left the database for a blob store (storage/cold/): the data of a pack, whose row keeps its anchor and has an
-- empty `data`, or the file of a segment. `hashes` are the xxh3-128 of its pieces of 512 kB, one after another. Of no
-- pack and no segment: it is being written, or no longer needed and deleted at `delete_at` (ms; NULL until the background
-- has looked). `held`: it came with a backup, and may be needed by the database that the backup was made of.
CREATE TABLE cold_place (
  id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, folder TEXT NOT NULL
) STRICT;
CREATE TABLE cold_object (
  id INTEGER PRIMARY KEY AUTOINCREMENT, place INTEGER NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL,
  hashes BLOB NOT NULL, pack INTEGER, endpoint INTEGER, segment INTEGER, project INTEGER, delete_at INTEGER,
  held INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX cold_object_pack ON cold_object (pack) WHERE pack IS NOT NULL;
CREATE UNIQUE INDEX cold_object_segment ON cold_object (segment) WHERE segment IS NOT NULL;
CREATE INDEX cold_object_endpoint ON cold_object (endpoint) WHERE endpoint IS NOT NULL;
CREATE INDEX cold_object_free ON cold_object (delete_at) WHERE pack IS NULL AND segment IS NULL;
-- What a pack takes counts wherever it is.
DROP TRIGGER use_of_old_pack;
CREATE TRIGGER use_of_old_pack AFTER DELETE ON pack BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes - length(OLD.anchor) - length(OLD.data) - length(OLD.members)
    - coalesce((SELECT size FROM cold_object WHERE pack = OLD.id), 0) WHERE endpoint = OLD.endpoint;
  UPDATE cold_object SET pack = NULL, endpoint = NULL WHERE pack = OLD.id;
END;
CREATE TRIGGER cold_object_of_old_segment AFTER DELETE ON segment BEGIN
  UPDATE cold_object SET segment = NULL, project = NULL WHERE segment = OLD.id;
END;
