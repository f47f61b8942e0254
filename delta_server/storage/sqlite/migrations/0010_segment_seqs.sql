-- The largest seq of the segment's events: who comes back after an event reads what has newer ones. NULL in rows from
-- before, until the background has looked (storage/events/last_seqs.py).
ALTER TABLE segment ADD COLUMN last_seq INTEGER;
