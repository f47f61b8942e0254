-- What is deleted lies in the bin until `purge_at`. Where it is deleted and has none, it is being removed: what an older
-- version deleted goes on as it was.
ALTER TABLE project ADD COLUMN purge_at INTEGER;
ALTER TABLE endpoint ADD COLUMN purge_at INTEGER;
CREATE INDEX project_bin ON project (account, deleted_at, id) WHERE deleted_at IS NOT NULL;
CREATE INDEX endpoint_bin ON endpoint (project, deleted_at, id) WHERE deleted_at IS NOT NULL;
