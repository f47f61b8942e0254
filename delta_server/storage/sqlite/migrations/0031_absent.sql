-- Tables without rows that a small database is without while nobody has it open (storage/sqlite/absent_tables.py).
CREATE TABLE absent (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
