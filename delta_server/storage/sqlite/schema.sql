-- The finished schema, which a new database begins with. Made by `make schema` from migrations/; do not edit.

CREATE TABLE account (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE project (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, account INTEGER NOT NULL REFERENCES account,
  name TEXT NOT NULL, description TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  deleted_at INTEGER
, plan TEXT NOT NULL DEFAULT 'enterprise', owner INTEGER, purge_at INTEGER) STRICT;

CREATE UNIQUE INDEX project_name ON project (account, name) WHERE deleted_at IS NULL;

CREATE TABLE api_key (
  id INTEGER PRIMARY KEY AUTOINCREMENT, public_id TEXT NOT NULL UNIQUE, secret_hash BLOB NOT NULL,
  account INTEGER NOT NULL REFERENCES account, project INTEGER REFERENCES project,
  name TEXT NOT NULL, scopes TEXT NOT NULL, created_at INTEGER NOT NULL,
  expires_at INTEGER, revoked_at INTEGER, last_used_at INTEGER
, origins TEXT NOT NULL DEFAULT '[]', made_by_user INTEGER, made_by_key TEXT, last_four TEXT, first_used_at INTEGER, replaced_by TEXT) STRICT;

CREATE INDEX api_key_project ON api_key (project);

CREATE TABLE endpoint (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, project INTEGER NOT NULL REFERENCES project,
  name TEXT NOT NULL, description TEXT NOT NULL, diff TEXT NOT NULL, retention TEXT NOT NULL,
  diff_version INTEGER NOT NULL, recompute_before INTEGER, content_deltas INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, deleted_at INTEGER
, found_keys TEXT NOT NULL DEFAULT '{}', reindex_before INTEGER DEFAULT 4611686018427387904, purge_at INTEGER, uncounted_before INTEGER DEFAULT 4611686018427387904) STRICT;

CREATE INDEX endpoint_project ON endpoint (project);

CREATE UNIQUE INDEX endpoint_name ON endpoint (project, name) WHERE deleted_at IS NULL;

CREATE TABLE snapshot (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, endpoint INTEGER NOT NULL, captured_at INTEGER NOT NULL,
  content INTEGER NOT NULL, source TEXT, metadata TEXT
, checksum INTEGER) STRICT;

CREATE UNIQUE INDEX snapshot_uid ON snapshot (uid);

CREATE UNIQUE INDEX snapshot_time ON snapshot (endpoint, captured_at);

CREATE TABLE content (
  id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint INTEGER NOT NULL, captured_at INTEGER NOT NULL, size INTEGER NOT NULL,
  hash BLOB NOT NULL, pack INTEGER, position INTEGER, dead INTEGER NOT NULL, pending INTEGER NOT NULL
, attempts INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE INDEX content_time ON content (endpoint, captured_at) WHERE dead = 0;

CREATE INDEX content_pending ON content (endpoint, captured_at) WHERE pending = 1;

CREATE INDEX content_failed ON content (endpoint) WHERE pending = 2;

CREATE INDEX content_dead ON content (endpoint, pack) WHERE dead = 1;

CREATE TABLE frame (
  content INTEGER PRIMARY KEY, endpoint INTEGER NOT NULL, size INTEGER NOT NULL, base INTEGER, depth INTEGER NOT NULL,
  data BLOB NOT NULL
, file INTEGER, file_bytes INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE INDEX frame_endpoint ON frame (endpoint, size);

CREATE INDEX frame_base ON frame (base) WHERE base IS NOT NULL;

CREATE TABLE pack (
  id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint INTEGER NOT NULL, captured_at INTEGER NOT NULL, deep INTEGER NOT NULL,
  base INTEGER, chain INTEGER NOT NULL, contents INTEGER NOT NULL, size INTEGER NOT NULL, created_at INTEGER NOT NULL,
  members BLOB NOT NULL, anchor BLOB NOT NULL, data BLOB NOT NULL
, frames BLOB) STRICT;

CREATE INDEX pack_time ON pack (endpoint, captured_at);

CREATE INDEX pack_base ON pack (base) WHERE base IS NOT NULL;

CREATE TABLE delta (
  content INTEGER PRIMARY KEY, captured_at INTEGER NOT NULL,
  diff_version INTEGER NOT NULL, kind INTEGER NOT NULL, added INTEGER NOT NULL, removed INTEGER NOT NULL,
  replaced INTEGER NOT NULL, moved INTEGER NOT NULL, similarity INTEGER NOT NULL, fields BLOB NOT NULL
, checksum INTEGER) STRICT;

CREATE TABLE field (
  id INTEGER PRIMARY KEY, endpoint INTEGER NOT NULL, pattern TEXT NOT NULL, changes INTEGER NOT NULL,
  deltas INTEGER NOT NULL, types INTEGER NOT NULL, changed_at INTEGER, UNIQUE (endpoint, pattern)
) STRICT;

CREATE TABLE field_change (
  field INTEGER NOT NULL, captured_at INTEGER NOT NULL, later BLOB, checksum INTEGER, PRIMARY KEY (field, captured_at)
) STRICT, WITHOUT ROWID;

CREATE TABLE once (
  scope BLOB PRIMARY KEY, request BLOB NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL, created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX once_created ON once (created_at);

CREATE TABLE event_block (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL REFERENCES project, seq INTEGER NOT NULL UNIQUE,
  events_count INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
  raw_bytes INTEGER NOT NULL, events BLOB NOT NULL, keys BLOB NOT NULL
, hash BLOB) STRICT;

CREATE INDEX event_block_project ON event_block (project, id);

CREATE TABLE segment (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL REFERENCES project,
  events_count INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, types TEXT NOT NULL,
  json_bytes INTEGER NOT NULL, stored_bytes INTEGER NOT NULL, created_at INTEGER NOT NULL,
  rolled INTEGER NOT NULL DEFAULT 0
, hash BLOB, last_seq INTEGER, file INTEGER) STRICT;

CREATE INDEX segment_project ON segment (project, first_at);

CREATE INDEX segment_unrolled ON segment (project) WHERE rolled = 0;

CREATE TABLE segment_data (segment INTEGER PRIMARY KEY REFERENCES segment, parquet BLOB NOT NULL) STRICT;

CREATE TABLE key_run (
  id INTEGER PRIMARY KEY AUTOINCREMENT, oldest_at INTEGER NOT NULL, newest_at INTEGER NOT NULL,
  keys_count INTEGER NOT NULL, filter BLOB NOT NULL
, hash BLOB) STRICT;

CREATE TABLE key_page (id INTEGER PRIMARY KEY, keys BLOB NOT NULL, hash BLOB) STRICT;

CREATE TABLE rollup (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL REFERENCES project, interval_ms INTEGER NOT NULL,
  part INTEGER NOT NULL, first_at INTEGER NOT NULL, end_at INTEGER NOT NULL, rows_count INTEGER NOT NULL, stored_bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL, hash BLOB, file INTEGER, UNIQUE (project, interval_ms, part, first_at)
) STRICT;

CREATE TABLE rollup_data (rollup INTEGER PRIMARY KEY REFERENCES rollup, parquet BLOB NOT NULL) STRICT;

CREATE TABLE event_settings (
  project INTEGER PRIMARY KEY REFERENCES project, retention TEXT NOT NULL DEFAULT '{}', version INTEGER NOT NULL DEFAULT 0,
  sealed_until INTEGER NOT NULL DEFAULT 0, sealed_seq INTEGER NOT NULL DEFAULT 0, rollups TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE profile (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project, kind TEXT NOT NULL CHECK (kind IN ('user', 'group')),
  name TEXT NOT NULL, traits TEXT NOT NULL, first_seen_at INTEGER NOT NULL, last_seen_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL, told_at TEXT NOT NULL DEFAULT '{}', anonymous INTEGER NOT NULL DEFAULT 0, ids_ignored INTEGER NOT NULL DEFAULT 0, checksum INTEGER,
  UNIQUE (project, kind, name)
) STRICT;

CREATE INDEX profile_last_seen ON profile (project, kind, last_seen_at, id);

CREATE TABLE profiled (project INTEGER PRIMARY KEY REFERENCES project, until INTEGER NOT NULL) STRICT;

CREATE TABLE alias (
  project INTEGER NOT NULL REFERENCES project, name TEXT NOT NULL, of TEXT NOT NULL, created_at INTEGER NOT NULL,
  PRIMARY KEY (project, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE erasure (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, project INTEGER NOT NULL REFERENCES project,
  digest BLOB NOT NULL, names TEXT NOT NULL, requested_at INTEGER NOT NULL, requested_by TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')), finished_at INTEGER,
  segments_done INTEGER NOT NULL DEFAULT 0, segments_total INTEGER NOT NULL DEFAULT 0,
  events_erased INTEGER NOT NULL DEFAULT 0, error TEXT
) STRICT;

CREATE INDEX erasure_project ON erasure (project, id);

CREATE TABLE person_link (
  project INTEGER NOT NULL REFERENCES project, anonymous INTEGER NOT NULL, name TEXT NOT NULL, of TEXT NOT NULL,
  at INTEGER NOT NULL, person TEXT NOT NULL, rev INTEGER NOT NULL,
  PRIMARY KEY (project, anonymous, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX person_link_person ON person_link (project, person, of);

CREATE INDEX person_link_rev ON person_link (project, rev);

CREATE TABLE person_state (
  project INTEGER PRIMARY KEY REFERENCES project, rev INTEGER NOT NULL DEFAULT 0, forgotten INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE person_change (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL REFERENCES project, calls INTEGER NOT NULL,
  changes BLOB NOT NULL, duplicates TEXT NOT NULL
, checksum INTEGER) STRICT;

CREATE INDEX person_change_project ON person_change (project, id);

CREATE TABLE life (
  endpoint INTEGER NOT NULL, run INTEGER NOT NULL, captured_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  entries BLOB NOT NULL, checksum INTEGER, PRIMARY KEY (endpoint, run, captured_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX endpoint_recompute ON endpoint (id) WHERE recompute_before IS NOT NULL OR reindex_before IS NOT NULL;

CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL REFERENCES project, kind TEXT NOT NULL,
  at INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;

CREATE INDEX outbox_project ON outbox (project);

CREATE TABLE outbox_cursor (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;

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

CREATE TABLE refresh_token (
  hash BLOB PRIMARY KEY, session INTEGER NOT NULL REFERENCES session, created_at INTEGER NOT NULL, replaced_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_token_session ON refresh_token (session);

CREATE TABLE login_link (
  hash BLOB PRIMARY KEY, user INTEGER REFERENCES user, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE member (
  project INTEGER NOT NULL REFERENCES project, user INTEGER NOT NULL REFERENCES user, role TEXT NOT NULL,
  created_at INTEGER NOT NULL, PRIMARY KEY (project, user)
) STRICT, WITHOUT ROWID;

CREATE INDEX member_user ON member (user);

CREATE TABLE file_part (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

CREATE INDEX api_key_admin ON api_key (account, project, expires_at)
  WHERE revoked_at IS NULL AND instr(' ' || scopes || ' ', ' admin ') > 0;

CREATE TABLE second_factor (
  user INTEGER PRIMARY KEY REFERENCES user, secret BLOB NOT NULL, created_at INTEGER NOT NULL, confirmed_at INTEGER,
  last_step INTEGER NOT NULL
) STRICT;

CREATE TABLE recovery_code (
  user INTEGER NOT NULL REFERENCES user, hash BLOB NOT NULL, PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;

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

CREATE TABLE audit_head (
  account INTEGER PRIMARY KEY REFERENCES account, seq INTEGER NOT NULL, hash BLOB NOT NULL, cut_seq INTEGER NOT NULL,
  cut_hash BLOB NOT NULL, key_id BLOB NOT NULL, signature BLOB NOT NULL
) STRICT;

CREATE TABLE endpoint_use (
  endpoint INTEGER PRIMARY KEY, project INTEGER NOT NULL, living INTEGER NOT NULL,
  snapshots INTEGER NOT NULL DEFAULT 0, contents INTEGER NOT NULL DEFAULT 0, raw_bytes INTEGER NOT NULL DEFAULT 0,
  stored_bytes INTEGER NOT NULL DEFAULT 0, row_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE project_use (
  project INTEGER PRIMARY KEY, counted_at INTEGER NOT NULL, endpoints INTEGER NOT NULL DEFAULT 0,
  snapshots INTEGER NOT NULL DEFAULT 0, contents INTEGER NOT NULL DEFAULT 0, raw_bytes INTEGER NOT NULL DEFAULT 0,
  stored_bytes INTEGER NOT NULL DEFAULT 0, document_bytes INTEGER NOT NULL DEFAULT 0,
  event_bytes INTEGER NOT NULL DEFAULT 0, key_bytes INTEGER NOT NULL DEFAULT 0,
  profile_bytes INTEGER NOT NULL DEFAULT 0,
  hour INTEGER NOT NULL DEFAULT 0, hour_snapshots INTEGER NOT NULL DEFAULT 0,
  month INTEGER NOT NULL DEFAULT 0, month_events INTEGER NOT NULL DEFAULT 0, noted_bytes INTEGER NOT NULL DEFAULT 0
, sync_records INTEGER NOT NULL DEFAULT 0, webhooks INTEGER NOT NULL DEFAULT 0, dataset_bytes INTEGER NOT NULL DEFAULT 0, record_bytes INTEGER NOT NULL DEFAULT 0) STRICT;

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

CREATE TRIGGER use_of_new_pack AFTER INSERT ON pack BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes + length(NEW.anchor) + length(NEW.data) + length(NEW.members)
  WHERE endpoint = NEW.endpoint;
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

CREATE TABLE invitation (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, account INTEGER NOT NULL REFERENCES account,
  project INTEGER REFERENCES project, email TEXT NOT NULL, role TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
  made_by_user INTEGER, made_by_key TEXT, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  accepted_at INTEGER, revoked_at INTEGER
) STRICT;

CREATE INDEX invitation_project ON invitation (project, id);

CREATE INDEX invitation_open ON invitation (project, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;

CREATE INDEX invitation_expiry ON invitation (expires_at);

CREATE TABLE registration (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, account INTEGER NOT NULL REFERENCES account,
  email TEXT NOT NULL, name TEXT NOT NULL, password TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX registration_expiry ON registration (expires_at);

CREATE TABLE job (
  project INTEGER NOT NULL, id BLOB NOT NULL, kind TEXT NOT NULL, key BLOB, arguments TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'dead', 'cancelled')),
  attempts INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL DEFAULT 0, due_at INTEGER NOT NULL,
  done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, error TEXT,
  created_at INTEGER NOT NULL, finished_at INTEGER,
  PRIMARY KEY (project, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_due ON job (kind, project, due_at) WHERE finished_at IS NULL;

CREATE UNIQUE INDEX job_key ON job (project, kind, key) WHERE state = 'waiting' AND key IS NOT NULL;

CREATE INDEX job_ended ON job (finished_at) WHERE finished_at IS NOT NULL;

CREATE INDEX member_order ON member (project, created_at, user);

CREATE INDEX project_owner ON project (account, owner, name) WHERE owner IS NOT NULL AND deleted_at IS NULL;

CREATE TABLE identity (
  issuer TEXT NOT NULL, subject TEXT NOT NULL, user INTEGER NOT NULL REFERENCES user, created_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX identity_user ON identity (user);

CREATE INDEX project_bin ON project (account, deleted_at, id) WHERE deleted_at IS NOT NULL;

CREATE INDEX endpoint_bin ON endpoint (project, deleted_at, id) WHERE deleted_at IS NOT NULL;

CREATE TABLE activity (
  endpoint INTEGER NOT NULL, day INTEGER NOT NULL, snapshots INTEGER NOT NULL DEFAULT 0,
  content INTEGER NOT NULL DEFAULT 0, reorder INTEGER NOT NULL DEFAULT 0, format INTEGER NOT NULL DEFAULT 0,
  ignored INTEGER NOT NULL DEFAULT 0, added INTEGER NOT NULL DEFAULT 0, removed INTEGER NOT NULL DEFAULT 0,
  replaced INTEGER NOT NULL DEFAULT 0, moved INTEGER NOT NULL DEFAULT 0, hours BLOB NOT NULL DEFAULT x'',
  PRIMARY KEY (endpoint, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE polling (
  endpoint INTEGER PRIMARY KEY, project INTEGER NOT NULL, uid BLOB NOT NULL, settings TEXT NOT NULL, secrets BLOB,
  version INTEGER NOT NULL, active INTEGER NOT NULL, due_at INTEGER, host TEXT NOT NULL,
  standing TEXT NOT NULL DEFAULT '{}', source TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE INDEX polling_due ON polling (due_at) WHERE due_at IS NOT NULL;

CREATE INDEX polling_project ON polling (project, endpoint);

CREATE TABLE poll (
  endpoint INTEGER NOT NULL, at INTEGER NOT NULL, status INTEGER, ms INTEGER NOT NULL, bytes INTEGER NOT NULL,
  changed INTEGER NOT NULL, class TEXT, snapshot BLOB, steps TEXT NOT NULL, detail TEXT, excerpt TEXT,
  PRIMARY KEY (endpoint, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE webhook (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL REFERENCES project, uid BLOB NOT NULL,
  account INTEGER NOT NULL REFERENCES account, settings TEXT NOT NULL, target BLOB NOT NULL, made_by_user INTEGER,
  made_by_key TEXT, off_because TEXT, failing_since INTEGER, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, event_seq INTEGER,
  UNIQUE (project, uid)
) STRICT;

CREATE TABLE delivery (
  id INTEGER PRIMARY KEY AUTOINCREMENT, webhook INTEGER NOT NULL, lane INTEGER NOT NULL, kind TEXT NOT NULL,
  at INTEGER NOT NULL, body TEXT NOT NULL, is_test INTEGER NOT NULL, state TEXT NOT NULL, failures INTEGER NOT NULL,
  due_at INTEGER NOT NULL, ended_at INTEGER, attempts TEXT NOT NULL
) STRICT;

CREATE INDEX delivery_webhook ON delivery (webhook);

CREATE INDEX delivery_open ON delivery (webhook, lane) WHERE ended_at IS NULL;

CREATE TABLE webhook_hour (
  webhook INTEGER NOT NULL, hour INTEGER NOT NULL, arrived INTEGER NOT NULL, failed INTEGER NOT NULL,
  PRIMARY KEY (webhook, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbound_webhook (
  endpoint INTEGER PRIMARY KEY REFERENCES endpoint, project INTEGER NOT NULL, token_hash BLOB NOT NULL,
  old_token_hash BLOB, old_until INTEGER, settings TEXT NOT NULL, secrets BLOB, created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX inbound_webhook_token ON inbound_webhook (token_hash);

CREATE INDEX inbound_webhook_old_token ON inbound_webhook (old_token_hash) WHERE old_token_hash IS NOT NULL;

CREATE TABLE absent (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE TABLE feed (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, endpoint INTEGER REFERENCES endpoint,
  endpoint_uid BLOB, token_hash BLOB NOT NULL, old_token_hash BLOB, old_until INTEGER, created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX feed_project ON feed (project, id);

CREATE INDEX feed_endpoint ON feed (endpoint) WHERE endpoint IS NOT NULL;

CREATE UNIQUE INDEX feed_token ON feed (token_hash);

CREATE INDEX feed_old_token ON feed (old_token_hash) WHERE old_token_hash IS NOT NULL;

CREATE TABLE alert_rule (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, endpoint INTEGER REFERENCES endpoint,
  endpoint_uid BLOB, name TEXT NOT NULL, settings TEXT NOT NULL, muted_until INTEGER, memory TEXT NOT NULL,
  judged_at INTEGER NOT NULL, judged_content INTEGER NOT NULL, due_at INTEGER, revision INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX alert_rule_project ON alert_rule (project, id);

CREATE INDEX alert_rule_endpoint ON alert_rule (endpoint) WHERE endpoint IS NOT NULL;

CREATE INDEX alert_rule_due ON alert_rule (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE alert (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, rule INTEGER NOT NULL REFERENCES alert_rule,
  record TEXT NOT NULL, label TEXT, limit_text TEXT NOT NULL, value TEXT, most TEXT, snapshot BLOB,
  cleared_snapshot BLOB, raised_at INTEGER NOT NULL, cleared_at INTEGER, sent TEXT NOT NULL, sent_at INTEGER
) STRICT;

CREATE INDEX alert_project ON alert (project, id);

CREATE INDEX alert_rule_alerts ON alert (rule, id);

CREATE INDEX alert_raised ON alert (rule, record) WHERE cleared_at IS NULL;

CREATE INDEX alert_project_raised ON alert (project, id) WHERE cleared_at IS NULL;

CREATE INDEX alert_cleared ON alert (cleared_at) WHERE cleared_at IS NOT NULL;

CREATE TABLE alert_notice (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL, alert INTEGER NOT NULL REFERENCES alert, what TEXT NOT NULL,
  text TEXT NOT NULL, body TEXT NOT NULL, held INTEGER NOT NULL, digest INTEGER NOT NULL, due_at INTEGER NOT NULL
) STRICT;

CREATE INDEX alert_notice_due ON alert_notice (due_at);

CREATE INDEX alert_notice_project ON alert_notice (project, due_at);

CREATE INDEX alert_notice_alert ON alert_notice (alert);

CREATE TABLE sync_epoch (
  id INTEGER PRIMARY KEY CHECK (id = 1), epoch BLOB NOT NULL, writes INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0
, newest INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE sync_space (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project, owner TEXT NOT NULL, seq INTEGER NOT NULL,
  changed_at INTEGER NOT NULL, created_at INTEGER NOT NULL, records INTEGER NOT NULL DEFAULT 0,
  size_bytes INTEGER NOT NULL DEFAULT 0
, staged INTEGER) STRICT;

CREATE UNIQUE INDEX sync_space_owner ON sync_space (project, owner);

CREATE INDEX sync_space_changed ON sync_space (project, changed_at, id);

CREATE TABLE sync_collection (
  id INTEGER PRIMARY KEY, space INTEGER NOT NULL REFERENCES sync_space,
  data_type TEXT NOT NULL, seq INTEGER NOT NULL, horizon INTEGER NOT NULL DEFAULT 0,
  horizon_at INTEGER NOT NULL DEFAULT 0, records INTEGER NOT NULL DEFAULT 0, tombstones INTEGER NOT NULL DEFAULT 0, size_bytes INTEGER NOT NULL DEFAULT 0, digest BLOB NOT NULL,
  day INTEGER NOT NULL DEFAULT 0, day_deleted INTEGER NOT NULL DEFAULT 0
, day_records INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE UNIQUE INDEX sync_collection_type ON sync_collection (space, data_type);

CREATE TABLE sync_grave (
  collection INTEGER NOT NULL REFERENCES sync_collection, id_hash BLOB NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (collection, id_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE sync_device (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, space INTEGER NOT NULL REFERENCES sync_space, device_id TEXT NOT NULL,
  name TEXT, session INTEGER, made_at INTEGER NOT NULL, seen_at INTEGER NOT NULL, removed_at INTEGER
) STRICT;

CREATE UNIQUE INDEX sync_device_uid ON sync_device (uid);

CREATE UNIQUE INDEX sync_device_id ON sync_device (space, device_id);

CREATE TABLE sync_position (
  device INTEGER NOT NULL REFERENCES sync_device, collection INTEGER NOT NULL REFERENCES sync_collection,
  seq INTEGER NOT NULL, pulled_at INTEGER NOT NULL, PRIMARY KEY (device, collection)
) STRICT, WITHOUT ROWID;

CREATE TABLE sync_batch (
  device INTEGER NOT NULL REFERENCES sync_device, batch_id TEXT NOT NULL, request BLOB NOT NULL, answer BLOB NOT NULL,
  created_at INTEGER NOT NULL, PRIMARY KEY (device, batch_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX sync_batch_age ON sync_batch (created_at);

CREATE TABLE sync_type (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project, name TEXT NOT NULL, conflicts TEXT NOT NULL,
  schema TEXT, updated_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX sync_type_name ON sync_type (project, name);

CREATE TABLE sync_conflict (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, space INTEGER NOT NULL REFERENCES sync_space,
  collection INTEGER NOT NULL REFERENCES sync_collection, record_id TEXT NOT NULL, device INTEGER NOT NULL,
  change_id TEXT NOT NULL, kind INTEGER NOT NULL, content BLOB, checksum BLOB, base INTEGER, server INTEGER NOT NULL,
  updated_at INTEGER, created_at INTEGER NOT NULL, version INTEGER, resolved_at INTEGER
, is_hidden INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE UNIQUE INDEX sync_conflict_uid ON sync_conflict (uid);

CREATE INDEX sync_conflict_space ON sync_conflict (space, id);

CREATE INDEX sync_conflict_waiting ON sync_conflict (space, id) WHERE version IS NULL;

CREATE INDEX sync_conflict_resolved ON sync_conflict (resolved_at) WHERE resolved_at IS NOT NULL;

CREATE UNIQUE INDEX sync_conflict_once ON sync_conflict (device, change_id);

CREATE TABLE sync_upload (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, space INTEGER NOT NULL REFERENCES sync_space, device INTEGER NOT NULL,
  upload_id TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'open', lines INTEGER NOT NULL DEFAULT 0,
  size_bytes INTEGER NOT NULL DEFAULT 0, staged_lines INTEGER NOT NULL DEFAULT 0, applied INTEGER NOT NULL DEFAULT 0,
  duplicate INTEGER NOT NULL DEFAULT 0, conflict INTEGER NOT NULL DEFAULT 0, first_seq INTEGER, last_seq INTEGER,
  shown_at INTEGER, confirm TEXT, refusal BLOB, created_at INTEGER NOT NULL, touched_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX sync_upload_id ON sync_upload (device, upload_id);

CREATE INDEX sync_upload_space ON sync_upload (space);

CREATE INDEX sync_upload_open ON sync_upload (space, size_bytes) WHERE state <> 'done';

CREATE INDEX sync_upload_shown ON sync_upload (space, last_seq) WHERE shown_at IS NOT NULL;

CREATE INDEX sync_upload_touched ON sync_upload (state, touched_at);

CREATE TABLE sync_upload_part (
  id INTEGER PRIMARY KEY, upload INTEGER NOT NULL REFERENCES sync_upload, first_line INTEGER NOT NULL,
  lines INTEGER NOT NULL, conflicts INTEGER NOT NULL DEFAULT 0, results BLOB, content BLOB
) STRICT;

CREATE UNIQUE INDEX sync_upload_part_line ON sync_upload_part (upload, first_line);

CREATE INDEX sync_upload_part_conflicts ON sync_upload_part (upload, first_line) WHERE conflicts > 0;

CREATE TABLE sync_upload_sum (
  upload INTEGER NOT NULL REFERENCES sync_upload, collection INTEGER NOT NULL, seq INTEGER NOT NULL,
  records INTEGER NOT NULL, tombstones INTEGER NOT NULL, size_bytes INTEGER NOT NULL, deleted INTEGER NOT NULL,
  digest BLOB NOT NULL, changes INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (upload, collection)
) STRICT, WITHOUT ROWID;

CREATE TABLE sync_change (
  id INTEGER PRIMARY KEY, space INTEGER NOT NULL, seq INTEGER NOT NULL, collection INTEGER NOT NULL,
  record_id TEXT NOT NULL, kind INTEGER NOT NULL, content BLOB, checksum BLOB, device INTEGER, change_id TEXT,
  previous INTEGER, superseded_by INTEGER, updated_at INTEGER, changed_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX sync_change_number ON sync_change (space, seq);

CREATE UNIQUE INDEX sync_change_head ON sync_change (collection, record_id) WHERE superseded_by IS NULL;

CREATE INDEX sync_change_order ON sync_change (collection, seq, device) WHERE superseded_by IS NULL;

CREATE INDEX sync_change_tombstones ON sync_change (collection, seq) WHERE superseded_by IS NULL AND kind = 2;

CREATE UNIQUE INDEX sync_change_once ON sync_change (device, change_id) WHERE device IS NOT NULL;

CREATE INDEX sync_change_superseded ON sync_change (space, superseded_by) WHERE superseded_by IS NOT NULL;

CREATE TABLE dataset (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project, name TEXT NOT NULL, settings TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX dataset_name ON dataset (project, name);

CREATE TABLE dataset_client (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project, dataset INTEGER NOT NULL REFERENCES dataset,
  name TEXT NOT NULL, folder TEXT NOT NULL, manifest TEXT NOT NULL, changed_at INTEGER NOT NULL
, compared TEXT) STRICT;

CREATE UNIQUE INDEX dataset_client_name ON dataset_client (dataset, name);

CREATE INDEX dataset_client_project ON dataset_client (project);

CREATE TABLE dataset_upload (
  resource TEXT PRIMARY KEY, client INTEGER NOT NULL REFERENCES dataset_client, started_at INTEGER NOT NULL
, more_bytes INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;

CREATE INDEX dataset_upload_client ON dataset_upload (client);

CREATE TABLE sync_activity (
  collection INTEGER NOT NULL REFERENCES sync_collection, day INTEGER NOT NULL, device INTEGER NOT NULL,
  changes INTEGER NOT NULL, deletions INTEGER NOT NULL, PRIMARY KEY (collection, day, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE endpoint_schema (
  endpoint INTEGER PRIMARY KEY REFERENCES endpoint, project INTEGER NOT NULL, versions INTEGER NOT NULL,
  learned_at INTEGER NOT NULL, learned_content INTEGER NOT NULL, shape BLOB NOT NULL
) STRICT;

CREATE TABLE endpoint_schema_change (
  endpoint INTEGER NOT NULL REFERENCES endpoint, captured_at INTEGER NOT NULL, snapshot BLOB NOT NULL, level TEXT,
  count INTEGER NOT NULL, changes TEXT NOT NULL, versions INTEGER NOT NULL, shape BLOB NOT NULL,
  PRIMARY KEY (endpoint, captured_at)
) STRICT;

CREATE TABLE kept_series (
  id INTEGER PRIMARY KEY,
  project INTEGER NOT NULL,
  endpoint INTEGER NOT NULL,
  path TEXT NOT NULL,
  made_with BLOB NOT NULL,
  asked_at INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX kept_series_path ON kept_series (endpoint, path);

CREATE TABLE enforcement (
  endpoint INTEGER PRIMARY KEY REFERENCES endpoint, mode TEXT NOT NULL, source TEXT NOT NULL, schema TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE kept_aside (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, endpoint INTEGER NOT NULL REFERENCES endpoint, captured_at INTEGER NOT NULL,
  size INTEGER NOT NULL, hash BLOB NOT NULL, misfits TEXT NOT NULL, body BLOB NOT NULL
, snapshot BLOB) STRICT;

CREATE INDEX kept_aside_endpoint ON kept_aside (endpoint, id);

CREATE TABLE saved_query (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
  spec TEXT NOT NULL, view TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX saved_query_project ON saved_query (project, id);

CREATE TABLE anomaly_series (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL, endpoint INTEGER NOT NULL, kind TEXT NOT NULL,
  name TEXT NOT NULL, judged_at INTEGER NOT NULL, state BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX anomaly_series_name ON anomaly_series (project, endpoint, kind, name);

CREATE INDEX anomaly_series_endpoint ON anomaly_series (endpoint);

CREATE TABLE anomaly_progress (
  project INTEGER NOT NULL, endpoint INTEGER NOT NULL, hour INTEGER NOT NULL, PRIMARY KEY (project, endpoint)
) STRICT, WITHOUT ROWID;

CREATE INDEX anomaly_progress_endpoint ON anomaly_progress (endpoint);

CREATE TABLE anomaly (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, project INTEGER NOT NULL, endpoint INTEGER NOT NULL,
  series TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, began_at INTEGER NOT NULL, ended_at INTEGER,
  peak_at INTEGER NOT NULL, value REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL, deviations REAL NOT NULL,
  label TEXT, breakdown TEXT NOT NULL
, changed_at INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE UNIQUE INDEX anomaly_episode ON anomaly (project, endpoint, series, name, began_at);

CREATE INDEX anomaly_time ON anomaly (project, began_at, id);

CREATE INDEX anomaly_endpoint ON anomaly (endpoint, began_at);

CREATE TABLE visit_settings (project INTEGER PRIMARY KEY, settings TEXT NOT NULL) STRICT;

CREATE TABLE visit_salt (
  project INTEGER NOT NULL, day INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (project, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX visit_salt_day ON visit_salt (day);

CREATE TABLE annotation (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, begins_at INTEGER NOT NULL, end_at INTEGER,
  kind TEXT NOT NULL, text TEXT NOT NULL, link TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX annotation_time ON annotation (project, begins_at, id);

CREATE INDEX annotation_end ON annotation (project, end_at) WHERE end_at IS NOT NULL;

CREATE TABLE board (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, name TEXT NOT NULL, tiles TEXT NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX board_project ON board (project, id);

CREATE TABLE board_share (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL, project INTEGER NOT NULL, board INTEGER NOT NULL REFERENCES board,
  token_hash BLOB NOT NULL, approved TEXT NOT NULL, password TEXT, expires_at INTEGER, frames TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX board_share_board ON board_share (board, id);

CREATE UNIQUE INDEX board_share_uid ON board_share (uid);

CREATE INDEX board_share_project ON board_share (project, id);

CREATE TABLE cold_place (
  id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, folder TEXT NOT NULL
) STRICT;

CREATE TABLE cold_object (
  id INTEGER PRIMARY KEY AUTOINCREMENT, place INTEGER NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL,
  hashes BLOB NOT NULL, pack INTEGER, endpoint INTEGER, segment INTEGER, project INTEGER, delete_at INTEGER,
  held INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX cold_object_pack ON cold_object (pack) WHERE pack IS NOT NULL;

CREATE UNIQUE INDEX cold_object_segment ON cold_object (segment) WHERE segment IS NOT NULL;

CREATE INDEX cold_object_endpoint ON cold_object (endpoint) WHERE endpoint IS NOT NULL;

CREATE INDEX cold_object_free ON cold_object (delete_at) WHERE pack IS NULL AND segment IS NULL;

CREATE TRIGGER use_of_old_pack AFTER DELETE ON pack BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes - length(OLD.anchor) - length(OLD.data) - length(OLD.members)
    - coalesce((SELECT size FROM cold_object WHERE pack = OLD.id), 0) WHERE endpoint = OLD.endpoint;
  UPDATE cold_object SET pack = NULL, endpoint = NULL WHERE pack = OLD.id;
END;

CREATE TRIGGER cold_object_of_old_segment AFTER DELETE ON segment BEGIN
  UPDATE cold_object SET segment = NULL WHERE segment = OLD.id;
END;

CREATE TRIGGER use_of_records AFTER UPDATE OF records ON sync_space WHEN NEW.records <> OLD.records BEGIN
  UPDATE project_use SET sync_records = sync_records + NEW.records - OLD.records WHERE project = NEW.project;
END;

CREATE TRIGGER use_of_old_space AFTER DELETE ON sync_space BEGIN
  UPDATE project_use SET sync_records = sync_records - OLD.records WHERE project = OLD.project;
END;

CREATE TRIGGER use_of_webhook AFTER INSERT ON webhook BEGIN
  UPDATE project_use SET webhooks = webhooks + 1 WHERE project = NEW.project;
END;

CREATE TRIGGER use_of_old_webhook AFTER DELETE ON webhook BEGIN
  UPDATE project_use SET webhooks = webhooks - 1 WHERE project = OLD.project;
END;

CREATE INDEX anomaly_changed ON anomaly (project, endpoint, changed_at);

CREATE TABLE anomaly_watched (
  project INTEGER NOT NULL, endpoint INTEGER NOT NULL, path TEXT NOT NULL, PRIMARY KEY (project, endpoint, path)
) STRICT, WITHOUT ROWID;

CREATE INDEX anomaly_watched_endpoint ON anomaly_watched (endpoint);

CREATE TRIGGER use_of_record_bytes AFTER UPDATE OF size_bytes ON sync_space WHEN NEW.size_bytes <> OLD.size_bytes BEGIN
  UPDATE project_use SET record_bytes = record_bytes + NEW.size_bytes - OLD.size_bytes WHERE project = NEW.project;
END;

CREATE TRIGGER use_of_old_space_bytes AFTER DELETE ON sync_space BEGIN
  UPDATE project_use SET record_bytes = record_bytes - OLD.size_bytes WHERE project = OLD.project;
END;

CREATE TRIGGER use_of_other_manifest AFTER UPDATE OF manifest ON dataset_client BEGIN
  UPDATE project_use SET dataset_bytes = dataset_bytes
    + coalesce(NEW.manifest ->> '$.current.stored_bytes', 0) + coalesce(NEW.manifest ->> '$.previous.stored_bytes', 0)
    - (coalesce(OLD.manifest ->> '$.current.stored_bytes', 0) + coalesce(OLD.manifest ->> '$.previous.stored_bytes', 0))
  WHERE project = NEW.project;
END;

CREATE TRIGGER use_of_old_client AFTER DELETE ON dataset_client BEGIN
  UPDATE project_use SET dataset_bytes = dataset_bytes
    - (coalesce(OLD.manifest ->> '$.current.stored_bytes', 0) + coalesce(OLD.manifest ->> '$.previous.stored_bytes', 0))
  WHERE project = OLD.project;
END;

CREATE TRIGGER use_of_other_upload AFTER UPDATE OF more_bytes ON dataset_upload BEGIN
  UPDATE project_use SET dataset_bytes = dataset_bytes + NEW.more_bytes - OLD.more_bytes
  WHERE project = (SELECT project FROM dataset_client WHERE id = NEW.client);
END;

CREATE TRIGGER use_of_old_upload AFTER DELETE ON dataset_upload WHEN OLD.more_bytes > 0 BEGIN
  UPDATE project_use SET dataset_bytes = dataset_bytes - OLD.more_bytes
  WHERE project = (SELECT project FROM dataset_client WHERE id = OLD.client);
END;

CREATE INDEX file_part_mark ON file_part (id) WHERE id & 65535 = 65535;

CREATE TRIGGER use_of_new_frame AFTER INSERT ON frame BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes + length(NEW.data) + NEW.file_bytes WHERE endpoint = NEW.endpoint;
END;

CREATE TRIGGER use_of_other_frame AFTER UPDATE OF data, file_bytes ON frame BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes + length(NEW.data) + NEW.file_bytes
    - length(OLD.data) - OLD.file_bytes
  WHERE endpoint = NEW.endpoint;
END;

CREATE TRIGGER use_of_old_frame AFTER DELETE ON frame BEGIN
  UPDATE endpoint_use SET stored_bytes = stored_bytes - length(OLD.data) - OLD.file_bytes WHERE endpoint = OLD.endpoint;
END;

CREATE INDEX sync_space_staged ON sync_space (id) WHERE staged IS NOT NULL;

CREATE TABLE event_schema (
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL, event_type TEXT NOT NULL,
  begun INTEGER NOT NULL, events INTEGER NOT NULL, learned_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  shape BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX event_schema_type ON event_schema (project, event_type);

CREATE TABLE event_schema_values (
  schema INTEGER PRIMARY KEY REFERENCES event_schema, project INTEGER NOT NULL, events INTEGER NOT NULL,
  first_at INTEGER NOT NULL, shape BLOB NOT NULL
) STRICT;

CREATE INDEX event_schema_values_project ON event_schema_values (project, first_at);

CREATE TABLE event_schema_change (
  schema INTEGER NOT NULL REFERENCES event_schema, number INTEGER NOT NULL, project INTEGER NOT NULL,
  changed_at INTEGER NOT NULL, level TEXT, count INTEGER NOT NULL, changes TEXT NOT NULL, events INTEGER NOT NULL,
  shape BLOB NOT NULL, PRIMARY KEY (schema, number)
) STRICT;

CREATE INDEX event_schema_change_time ON event_schema_change (project, changed_at);

CREATE TABLE event_schema_progress (
  project INTEGER PRIMARY KEY, file INTEGER NOT NULL, seq INTEGER NOT NULL, begun INTEGER NOT NULL
) STRICT;
