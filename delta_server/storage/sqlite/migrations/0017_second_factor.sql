-- Secrets of authenticator apps, sealed (core/sealing.py). Until it is confirmed one counts for nothing; `last_step` is
-- the newest step (of 30 s, since 1970) whose code was used.
CREATE TABLE second_factor (
  user INTEGER PRIMARY KEY REFERENCES user, secret BLOB NOT NULL, created_at INTEGER NOT NULL, confirmed_at INTEGER,
  last_step INTEGER NOT NULL
) STRICT;
CREATE TABLE recovery_code (
  user INTEGER NOT NULL REFERENCES user, hash BLOB NOT NULL, PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;
