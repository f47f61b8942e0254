-- Of a key: who made it (a user, or another key by its public id; neither for a command), the last four characters of its
-- text, its first use, and the key that took its place. Users may be deleted, so nothing refers to them.
ALTER TABLE api_key ADD COLUMN made_by_user INTEGER;
ALTER TABLE api_key ADD COLUMN made_by_key TEXT;
ALTER TABLE api_key ADD COLUMN last_four TEXT;
ALTER TABLE api_key ADD COLUMN first_used_at INTEGER;
ALTER TABLE api_key ADD COLUMN replaced_by TEXT;
CREATE INDEX api_key_admin ON api_key (account, project, expires_at)
  WHERE revoked_at IS NULL AND instr(' ' || scopes || ' ', ' admin ') > 0;
