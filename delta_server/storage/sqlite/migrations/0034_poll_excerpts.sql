-- The begin of what a source answered to a poll that failed, as text.
ALTER TABLE poll ADD COLUMN excerpt TEXT;
