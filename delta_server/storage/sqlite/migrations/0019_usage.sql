-- What projects and endpoints have and occupy (features/usage), kept by triggers in the transaction of each row that
-- comes or goes: whatever adds or deletes rows, and whatever it fails of, the counters are right. There is no row for
-- what an older version stored until the background has counted it (features/usage/tasks.py).
--
-- `snapshots`, `contents`, `raw_bytes` and `stored_bytes` (frames and packs) are of what is not deleted; `row_bytes` are
-- about what the rows of snapshots and contents take with their indexes, and what metadata and source do.
CREATE TABLE endpoint_use (
  endpoint INTEGER PRIMARY KEY, project INTEGER NOT NULL, living INTEGER NOT NULL,
  snapshots INTEGER NOT NULL DEFAULT 0, contents INTEGER NOT NULL DEFAULT 0, raw_bytes INTEGER NOT NULL DEFAULT 0,
  stored_bytes INTEGER NOT NULL DEFAULT 0, row_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
-- The first four are sums over living endpoints; `document_bytes` is what all of them occupy, those that are deleted and
-- not removed yet as well. `key_bytes` are deduplication keys. `hour` and `month` (ms, and 202605) say for when
-- `hour_snapshots` and `month_events` hold. `counted_at` is 0 until the background has counted what was there before.
-- `noted_bytes` is what usage_hour was last written of storage.
CREATE TABLE project_use (
  project INTEGER PRIMARY KEY, counted_at INTEGER NOT NULL, endpoints INTEGER NOT NULL DEFAULT 0,
  snapshots INTEGER NOT NULL DEFAULT 0, contents INTEGER NOT NULL DEFAULT 0, raw_bytes INTEGER NOT NULL DEFAULT 0,
  stored_bytes INTEGER NOT NULL DEFAULT 0, document_bytes INTEGER NOT NULL DEFAULT 0,
  event_bytes INTEGER NOT NULL DEFAULT 0, key_bytes INTEGER NOT NULL DEFAULT 0,
  profile_bytes INTEGER NOT NULL DEFAULT 0,
  hour INTEGER NOT NULL DEFAULT 0, hour_snapshots INTEGER NOT NULL DEFAULT 0,
  month INTEGER NOT NULL DEFAULT 0, month_events INTEGER NOT NULL DEFAULT 0, noted_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
-- What was stored in an hour, and the most bytes that were noted in it; `key_bytes` are deduplication keys that are not
-- past their time. Hours become days.
CREATE TABLE usage_hour (
  project INTEGER NOT NULL, hour INTEGER NOT NULL, snapshots INTEGER NOT NULL DEFAULT 0,
  events INTEGER NOT NULL DEFAULT 0, key_bytes INTEGER NOT NULL DEFAULT 0, storage_bytes INTEGER,
  PRIMARY KEY (project, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_hour_keys ON usage_hour (hour) WHERE key_bytes > 0;
CREATE INDEX usage_hour_time ON usage_hour (hour);
CREATE TABLE usage_day (
  project INTEGER NOT NULL, day INTEGER NOT NULL, snapshots INTEGER NOT NULL, events INTEGER NOT NULL,
  storage_bytes INTEGER, PRIMARY KEY (project, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_day_time ON usage_day (day);
-- Projects from before are unlimited.
ALTER TABLE project ADD COLUMN plan TEXT NOT NULL DEFAULT 'enterprise';

CREATE TRIGGER use_of_project AFTER INSERT ON project BEGIN
  INSERT INTO project_use (project, counted_at) VALUES (NEW.id, NEW.created_at);
END;
CREATE TRIGGER use_of_endpoint AFTER INSERT ON endpoint BEGIN
  INSERT INTO endpoint_use (endpoint, project, living) VALUES (NEW.id, NEW.project, NEW.deleted_at IS NULL);
  UPDATE project_use SET endpoints = endpoints + (NEW.deleted_at IS NULL) WHERE project = NEW.project;
END;
CREATE TRIGGER use_of_deleted_endpoint AFTER UPDATE OF deleted_at ON endpoint
WHEN (OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL) BEGIN
  UPDATE endpoint_use SET living = NEW.deleted_at IS NULL WHERE endpoint = NEW.id;
  UPDATE project_use SET endpoints = endpoints + iif(NEW.deleted_at IS NULL, 1, -1) WHERE project = NEW.project;
END;
CREATE TRIGGER use_of_endpoints AFTER UPDATE ON endpoint_use BEGIN
  UPDATE project_use SET
    snapshots = snapshots + NEW.living * NEW.snapshots - OLD.living * OLD.snapshots,
    contents = contents + NEW.living * NEW.contents - OLD.living * OLD.contents,
    raw_bytes = raw_bytes + NEW.living * NEW.raw_bytes - OLD.living * OLD.raw_bytes,
    stored_bytes = stored_bytes + NEW.living * NEW.stored_bytes - OLD.living * OLD.stored_bytes,
    document_bytes = document_bytes + NEW.stored_bytes - OLD.stored_bytes + NEW.row_bytes - OLD.row_bytes
  WHERE project = NEW.project;
END;
CREATE TRIGGER use_of_new_snapshot AFTER INSERT ON snapshot BEGIN
  UPDATE endpoint_use SET snapshots = snapshots + 1, row_bytes = row_bytes + 100
    + coalesce(octet_length(NEW.metadata), 0) + coalesce(octet_length(NEW.source), 0) WHERE endpoint = NEW.endpoint;
END;
CREATE TRIGGER use_of_old_snapshot AFTER DELETE ON snapshot BEGIN
  UPDATE endpoint_use SET snapshots = snapshots - 1, row_bytes = row_bytes - 100
    - coalesce(octet_length(OLD.metadata), 0) - coalesce(octet_length(OLD.source), 0) WHERE endpoint = OLD.endpoint;
END;
CREATE TRIGGER use_of_new_content AFTER INSERT ON content BEGIN
  UPDATE endpoint_use SET contents = contents + (NEW.dead = 0), raw_bytes = raw_bytes + (NEW.dead = 0) * NEW.size,
    row_bytes = row_bytes + 80 WHERE endpoint = NEW.endpoint;
END;
CREATE TRIGGER use_of_dead_content AFTER UPDATE OF dead ON content WHEN (OLD.dead = 0) <> (NEW.dead = 0) BEGIN
  UPDATE endpoint_use SET contents = contents + iif(NEW.dead = 0, 1, -1),
    raw_bytes = raw_bytes + iif(NEW.dead = 0, NEW.size, -NEW.size) WHERE endpoint = NEW.endpoint;
END;
CREATE TRIGGER use_of_old_content AFTER DELETE ON content BEGIN
  UPDATE endpoint_use SET contents = contents - (OLD.dead = 0), raw_bytes = raw_bytes - (OLD.dead = 0) * OLD.size,
    row_bytes = row_bytes - 80 WHERE endpoint = OLD.endpoint;
END;
CREATE TRIGGER use_of_new_frame AFTER INSERT ON frame BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes + length(NEW.data) WHERE endpoint = NEW.endpoint;
END;
CREATE TRIGGER use_of_other_frame AFTER UPDATE OF data ON frame BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes + length(NEW.data) - length(OLD.data)
  WHERE endpoint = NEW.endpoint;
END;
CREATE TRIGGER use_of_old_frame AFTER DELETE ON frame BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes - length(OLD.data) WHERE endpoint = OLD.endpoint;
END;
CREATE TRIGGER use_of_new_pack AFTER INSERT ON pack BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes + length(NEW.anchor) + length(NEW.data) + length(NEW.members)
  WHERE endpoint = NEW.endpoint;
END;
CREATE TRIGGER use_of_old_pack AFTER DELETE ON pack BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes - length(OLD.anchor) - length(OLD.data) - length(OLD.members)
  WHERE endpoint = OLD.endpoint;
END;
CREATE TRIGGER use_of_new_block AFTER INSERT ON event_block BEGIN
  UPDATE project_use SET event_bytes = event_bytes + length(NEW.events), key_bytes = key_bytes + length(NEW.keys),
    month_events = NEW.events_count
      + iif(month = CAST(strftime('%Y%m', NEW.received_at / 1000, 'unixepoch') AS INTEGER), month_events, 0),
    month = CAST(strftime('%Y%m', NEW.received_at / 1000, 'unixepoch') AS INTEGER)
  WHERE project = NEW.project;
  INSERT INTO usage_hour (project, hour, events, key_bytes)
  VALUES (NEW.project, NEW.received_at - NEW.received_at % 3600000, NEW.events_count, length(NEW.keys))
  ON CONFLICT DO UPDATE SET events = events + excluded.events, key_bytes = key_bytes + excluded.key_bytes;
END;
CREATE TRIGGER use_of_old_block AFTER DELETE ON event_block BEGIN
  UPDATE project_use SET event_bytes = event_bytes - length(OLD.events) WHERE project = OLD.project;
END;
CREATE TRIGGER use_of_new_segment AFTER INSERT ON segment BEGIN
  UPDATE project_use SET event_bytes = event_bytes + NEW.stored_bytes WHERE project = NEW.project;
END;
CREATE TRIGGER use_of_old_segment AFTER DELETE ON segment BEGIN
  UPDATE project_use SET event_bytes = event_bytes - OLD.stored_bytes WHERE project = OLD.project;
END;
CREATE TRIGGER use_of_new_rollup AFTER INSERT ON rollup BEGIN
  UPDATE project_use SET event_bytes = event_bytes + NEW.stored_bytes WHERE project = NEW.project;
END;
CREATE TRIGGER use_of_old_rollup AFTER DELETE ON rollup BEGIN
  UPDATE project_use SET event_bytes = event_bytes - OLD.stored_bytes WHERE project = OLD.project;
END;
CREATE TRIGGER use_of_new_profile AFTER INSERT ON profile BEGIN
  UPDATE project_use SET profile_bytes = profile_bytes + 100 + octet_length(NEW.traits) + octet_length(NEW.told_at)
  WHERE project = NEW.project;
END;
CREATE TRIGGER use_of_other_profile AFTER UPDATE OF traits, told_at ON profile BEGIN
  UPDATE project_use SET profile_bytes = profile_bytes + octet_length(NEW.traits) - octet_length(OLD.traits)
    + octet_length(NEW.told_at) - octet_length(OLD.told_at) WHERE project = NEW.project;
END;
CREATE TRIGGER use_of_old_profile AFTER DELETE ON profile BEGIN
  UPDATE project_use SET profile_bytes = profile_bytes - 100 - octet_length(OLD.traits) - octet_length(OLD.told_at)
  WHERE project = OLD.project;
END;
