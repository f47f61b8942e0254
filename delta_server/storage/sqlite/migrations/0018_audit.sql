-- What was done, by whom and from where: a chain of rows for each account (core/audit_chain.py). `project` is its id on
-- the wire, for its row may be gone.
CREATE TABLE audit (
  account INTEGER NOT NULL REFERENCES account, seq INTEGER NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL,
  address TEXT NOT NULL, request_id TEXT NOT NULL, action TEXT NOT NULL, project TEXT, target TEXT NOT NULL,
  name TEXT NOT NULL, outcome TEXT NOT NULL, repeats INTEGER NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL,
  PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_at ON audit (account, at);
CREATE INDEX audit_actor ON audit (account, actor, at);
CREATE INDEX audit_action ON audit (account, action, at);
CREATE INDEX audit_target ON audit (account, target, at);
CREATE INDEX audit_project ON audit (account, project, at);
-- Where each chain ends, and where it begins since old rows were cut off, signed with a key that is not in here.
CREATE TABLE audit_head (
  account INTEGER PRIMARY KEY REFERENCES account, seq INTEGER NOT NULL, hash BLOB NOT NULL, cut_seq INTEGER NOT NULL,
  cut_hash BLOB NOT NULL, key_id BLOB NOT NULL, signature BLOB NOT NULL
) STRICT;
-- From now on an account has one as soon as it is there.
INSERT INTO audit_head SELECT id, 0, zeroblob(32), 0, zeroblob(32), x'', x'' FROM account;
