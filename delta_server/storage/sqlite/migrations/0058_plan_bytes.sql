-- Deliveries of datasets, as they are stored, and synced records count as a project's storage.
ALTER TABLE project_use ADD COLUMN dataset_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE project_use ADD COLUMN record_bytes INTEGER NOT NULL DEFAULT 0;
-- What a delivery that is being written takes beyond the one it replaces, once that is known.
ALTER TABLE dataset_upload ADD COLUMN more_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE project_use SET
  record_bytes = (SELECT coalesce(sum(size_bytes), 0) FROM sync_space WHERE sync_space.project = project_use.project),
  dataset_bytes = (SELECT coalesce(sum(coalesce(manifest ->> '$.current.stored_bytes', 0)
    + coalesce(manifest ->> '$.previous.stored_bytes', 0)), 0)
    FROM dataset_client WHERE dataset_client.project = project_use.project);
CREATE TRIGGER use_of_record_bytes AFTER UPDATE OF size_bytes ON sync_space WHEN NEW.size_bytes <> OLD.size_bytes BEGIN
  UPDATE project_use SET record_bytes = record_bytes + NEW.size_bytes - OLD.size_bytes WHERE project = NEW.project;
END;
CREATE TRIGGER use_of_old_space_bytes AFTER DELETE ON sync_space BEGIN
  UPDATE project_use SET record_bytes = record_bytes - OLD.size_bytes WHERE project = OLD.project;
END;
CREATE TRIGGER use_of_other_manifest AFTER UPDATE OF manifest ON dataset_client BEGIN
  UPDATE project_use SET dataset_bytes = dataset_bytes
    + coalesce(NEW.manifest ->> '$.current.stored_bytes', 0) + coalesce(NEW.manifest ->> '$.previous.stored_bytes', 0)
    - (coalesce(OLD.manifest ->> '$.current.stored_bytes', 0) + coalesce(OLD.manifest ->> '$.previous.stored_bytes', 0))
  WHERE project = NEW.project;
END;
CREATE TRIGGER use_of_old_client AFTER DELETE ON dataset_client BEGIN
  UPDATE project_use SET dataset_bytes = dataset_bytes
    - (coalesce(OLD.manifest ->> '$.current.stored_bytes', 0) + coalesce(OLD.manifest ->> '$.previous.stored_bytes', 0))
  WHERE project = OLD.project;
END;
CREATE TRIGGER use_of_other_upload AFTER UPDATE OF more_bytes ON dataset_upload BEGIN
  UPDATE project_use SET dataset_bytes = dataset_bytes + NEW.more_bytes - OLD.more_bytes
  WHERE project = (SELECT project FROM dataset_client WHERE id = NEW.client);
END;
CREATE TRIGGER use_of_old_upload AFTER DELETE ON dataset_upload WHEN OLD.more_bytes > 0 BEGIN
  UPDATE project_use SET dataset_bytes = dataset_bytes - OLD.more_bytes
  WHERE project = (SELECT project FROM dataset_client WHERE id = OLD.client);
END;
