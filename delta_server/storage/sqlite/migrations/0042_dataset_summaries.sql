-- What the last comparison of a client's deliveries found, as JSON, with what it compared.
ALTER TABLE dataset_client ADD COLUMN compared TEXT;
