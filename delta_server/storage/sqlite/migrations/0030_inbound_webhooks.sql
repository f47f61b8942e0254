-- What other services send deliveries to, one an endpoint. The token before the last is taken until `old_until`;
-- `secrets` are the sender's signing secrets, sealed with the key of the data directory.
CREATE TABLE inbound_webhook (
  endpoint INTEGER PRIMARY KEY REFERENCES endpoint, project INTEGER NOT NULL, token_hash BLOB NOT NULL,
  old_token_hash BLOB, old_until INTEGER, settings TEXT NOT NULL, secrets BLOB, created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX inbound_webhook_token ON inbound_webhook (token_hash);
CREATE INDEX inbound_webhook_old_token ON inbound_webhook (old_token_hash) WHERE old_token_hash IS NOT NULL;
