-- Webhooks count for a project's plan, as they come and go.
ALTER TABLE project_use ADD COLUMN webhooks INTEGER NOT NULL DEFAULT 0;
UPDATE project_use SET webhooks = (SELECT count(*) FROM webhook WHERE webhook.project = project_use.project);
CREATE TRIGGER use_of_webhook AFTER INSERT ON webhook BEGIN
  UPDATE project_use SET webhooks = webhooks + 1 WHERE project = NEW.project;
END;
CREATE TRIGGER use_of_old_webhook AFTER DELETE ON webhook BEGIN
  UPDATE project_use SET webhooks = webhooks - 1 WHERE project = OLD.project;
END;
