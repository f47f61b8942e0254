-- People who sign in. `role` is the instance's: owner, admin or member; `password` a PHC string, null until one is set.
CREATE TABLE user (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, account INTEGER NOT NULL REFERENCES account,
  email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL, password TEXT, created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL, disabled_at INTEGER
) STRICT;
CREATE TABLE session (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, user INTEGER NOT NULL REFERENCES user,
  created_at INTEGER NOT NULL, last_used_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, revoked_at INTEGER,
  address TEXT NOT NULL, client TEXT NOT NULL
) STRICT;
CREATE INDEX session_user ON session (user);
-- The refresh tokens of a session, of which the newest is good: an older one that is used again revokes the session.
CREATE TABLE refresh_token (
  hash BLOB PRIMARY KEY, session INTEGER NOT NULL REFERENCES session, created_at INTEGER NOT NULL, replaced_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_token_session ON refresh_token (session);
-- Links that are good once: `user` is null for the one that makes the first owner.
CREATE TABLE login_link (
  hash BLOB PRIMARY KEY, user INTEGER REFERENCES user, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE member (
  project INTEGER NOT NULL REFERENCES project, user INTEGER NOT NULL REFERENCES user, role TEXT NOT NULL,
  created_at INTEGER NOT NULL, PRIMARY KEY (project, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_user ON member (user);
