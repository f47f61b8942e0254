-- The table of the frames that a pack's `data` is (core/pack_frames.py). NULL: one, as in every pack before.
ALTER TABLE pack ADD COLUMN frames BLOB;
