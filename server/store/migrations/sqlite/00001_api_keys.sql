-- Times are microseconds since 1970-01-01 UTC. A row is either a live key, which has its secret's hash, or a
-- tombstone, which has lost it for good: the last constraint leaves nothing in between.
CREATE TABLE api_keys (
    id                 TEXT   NOT NULL PRIMARY KEY,
    project_id         TEXT   NOT NULL,
    creator_id         TEXT   NOT NULL,
    name               TEXT   NOT NULL,
    last_four_digits   TEXT   NOT NULL,
    permissions        TEXT,             -- JSON array of a restricted key; NULL: unrestricted
    created_at         INTEGER NOT NULL,
    expires_at         INTEGER,          -- NULL: never
    secret_hash        BLOB   UNIQUE CHECK (length(secret_hash) = 32),
    deleted_at         INTEGER,
    deleted_by         TEXT,             -- the key that deleted this one
    deleted_request_id TEXT,
    CONSTRAINT api_keys_live_or_tombstone CHECK (
        (secret_hash IS NOT NULL AND deleted_at IS NULL AND deleted_by IS NULL AND deleted_request_id IS NULL) OR
        (secret_hash IS NULL AND deleted_at IS NOT NULL AND deleted_by IS NOT NULL AND deleted_request_id IS NOT NULL)
    )
) STRICT;

CREATE INDEX api_keys_by_project ON api_keys (project_id, created_at, id);
