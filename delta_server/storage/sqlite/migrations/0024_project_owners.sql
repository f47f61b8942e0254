-- How many projects somebody owns is counted when they make another.
CREATE INDEX project_owner ON project (account, owner, name) WHERE owner IS NOT NULL AND deleted_at IS NULL;
