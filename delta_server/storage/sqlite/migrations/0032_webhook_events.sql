-- Up to which event (event_block, segment) a webhook that hears of events has been sent them; NULL: it begins with the next.
ALTER TABLE webhook ADD COLUMN event_seq INTEGER;
