-- Frames with much data have it in parts (file_part), and none of their own: `file` is which, `file_bytes` how much.
ALTER TABLE frame ADD COLUMN file INTEGER;
ALTER TABLE frame ADD COLUMN file_bytes INTEGER NOT NULL DEFAULT 0;
-- The marks of files that wait, or were given up.
CREATE INDEX file_part_mark ON file_part (id) WHERE id & 65535 = 65535;
DROP TRIGGER use_of_new_frame;
DROP TRIGGER use_of_other_frame;
DROP TRIGGER use_of_old_frame;
CREATE TRIGGER use_of_new_frame AFTER INSERT ON frame BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes + length(NEW.data) + NEW.file_bytes WHERE endpoint = NEW.endpoint;
END;
CREATE TRIGGER use_of_other_frame AFTER UPDATE OF data, file_bytes ON frame BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes + length(NEW.data) + NEW.file_bytes
    - length(OLD.data) - OLD.file_bytes
  WHERE endpoint = NEW.endpoint;
END;
CREATE TRIGGER use_of_old_frame AFTER DELETE ON frame BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes - length(OLD.data) - OLD.file_bytes WHERE endpoint = OLD.endpoint;
END;
