-- Spaces in which something is staged: looked for at each start.
CREATE INDEX sync_space_staged ON sync_space (id) WHERE staged IS NOT NULL;
