-- The first 8 bytes of the hash that the delete erased. They name the deleted key in the log when its secret is still in use.
-- They authenticate nobody, because a lookup compares the whole hash. NULL: deleted by a program that did not know the column.
ALTER TABLE api_keys ADD COLUMN deleted_fingerprint BLOB;

CREATE INDEX api_keys_by_deleted_fingerprint ON api_keys (deleted_fingerprint) WHERE deleted_fingerprint IS NOT NULL;

INSERT INTO diga_schema_window (schema_version, oldest_program) VALUES (3, 1);
