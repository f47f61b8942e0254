-- JSON: by the pattern of an array, the key that the endpoint's deltas found for it, and its votes (core/found_keys.py).
ALTER TABLE endpoint ADD COLUMN found_keys TEXT NOT NULL DEFAULT '{}';
