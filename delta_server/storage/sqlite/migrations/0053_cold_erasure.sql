-- What was a segment's in cold storage keeps its project when nothing uses it any more: the erasure of a person reaches it.
DROP TRIGGER cold_object_of_old_segment;
CREATE TRIGGER cold_object_of_old_segment AFTER DELETE ON segment BEGIN
  UPDATE cold_object SET segment = NULL WHERE segment = OLD.id;
END;
