-- Secret addresses at which people's readers find what changed, of an endpoint or (NULL) of the project. The token
-- before the last is taken until `old_until`.
CREATE TABLE feed (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, endpoint INTEGER REFERENCES endpoint,
  endpoint_uid BLOB, token_hash BLOB NOT NULL, old_token_hash BLOB, old_until INTEGER, created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX feed_project ON feed (project, id);
CREATE INDEX feed_endpoint ON feed (endpoint) WHERE endpoint IS NOT NULL;
CREATE UNIQUE INDEX feed_token ON feed (token_hash);
CREATE INDEX feed_old_token ON feed (old_token_hash) WHERE old_token_hash IS NOT NULL;
