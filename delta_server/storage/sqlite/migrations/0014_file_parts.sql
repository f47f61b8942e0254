-- Large files of segments and rollups, in parts of 4 MB: each is written in a transaction of its own, before the segment
-- or rollup whose `file` they are. A part's id is the file's << 16 | its number; the last number marks a file that no
-- segment or rollup has taken over yet. NULL: the file is in segment_data or rollup_data.
CREATE TABLE file_part (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
ALTER TABLE segment ADD COLUMN file INTEGER;
ALTER TABLE rollup ADD COLUMN file INTEGER;
