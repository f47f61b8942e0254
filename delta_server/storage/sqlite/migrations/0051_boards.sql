-- Boards of saved queries. `tiles` is JSON, in order.
CREATE TABLE board (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, name TEXT NOT NULL, tiles TEXT NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX board_project ON board (project, id);
-- Links by which a board is read without signing in. `approved` is JSON: by tile the digest of the question that the link
-- runs, and no other. `password` is a hash, `frames` JSON: the sites that may embed the page.
CREATE TABLE board_share (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, board INTEGER NOT NULL REFERENCES board,
  token_hash BLOB NOT NULL, approved TEXT NOT NULL, password TEXT, expires_at INTEGER, frames TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX board_share_board ON board_share (board, id);
CREATE UNIQUE INDEX board_share_uid ON board_share (uid);
CREATE INDEX board_share_project ON board_share (project, id);
