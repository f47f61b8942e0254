-- What a document that was kept aside became, once it was accepted: the uid of a snapshot. Its body is empty then.
ALTER TABLE kept_aside ADD COLUMN snapshot BLOB;
