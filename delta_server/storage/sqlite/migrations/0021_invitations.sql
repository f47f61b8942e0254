-- Invitations into a project, or (project null) into the instance. `hash` is of the link's token, which is stored nowhere.
-- Who invited is a user, or a key by its public id, neither for a command; users may be deleted, so nothing refers to them.
CREATE TABLE invitation (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, account INTEGER NOT NULL REFERENCES account,
  project INTEGER REFERENCES project, email TEXT NOT NULL, role TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
  made_by_user INTEGER, made_by_key TEXT, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  accepted_at INTEGER, revoked_at INTEGER
) STRICT;
CREATE INDEX invitation_project ON invitation (project, id);
CREATE INDEX invitation_open ON invitation (project, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitation_expiry ON invitation (expires_at);
