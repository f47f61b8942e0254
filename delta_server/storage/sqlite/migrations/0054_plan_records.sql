-- Records of sync count for a project's plan, in all its spaces together, as they come and go.
ALTER TABLE project_use ADD COLUMN sync_records INTEGER NOT NULL DEFAULT 0;
UPDATE project_use SET sync_records =
  (SELECT coalesce(sum(records), 0) FROM sync_space WHERE sync_space.project = project_use.project);
CREATE TRIGGER use_of_records AFTER UPDATE OF records ON sync_space WHEN NEW.records <> OLD.records BEGIN
  UPDATE project_use SET sync_records = sync_records + NEW.records - OLD.records WHERE project = NEW.project;
END;
CREATE TRIGGER use_of_old_space AFTER DELETE ON sync_space BEGIN
  UPDATE project_use SET sync_records = sync_records - OLD.records WHERE project = OLD.project;
END;
