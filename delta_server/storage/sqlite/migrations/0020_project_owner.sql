-- The user a project belongs to; null for the account alone. Users may be deleted, so nothing refers to them.
ALTER TABLE project ADD COLUMN owner INTEGER;
