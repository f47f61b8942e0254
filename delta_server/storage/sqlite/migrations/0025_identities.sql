-- Who identity providers say somebody is: `subject` is the provider's name for a person, which it gives to nobody else.
CREATE TABLE identity (
  issuer TEXT NOT NULL, subject TEXT NOT NULL, user INTEGER NOT NULL REFERENCES user, created_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_user ON identity (user);
