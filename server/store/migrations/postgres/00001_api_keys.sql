-- Times are microseconds since 1970-01-01 UTC. A row is either a live key, which has its secret's hash, or a
-- tombstone, which has lost it for good: the last constraint leaves nothing in between.
CREATE TABLE api_keys (
    id                 uuid   NOT NULL PRIMARY KEY,
    project_id         uuid   NOT NULL,
    creator_id         uuid   NOT NULL,
    name               text   NOT NULL,
    last_four_digits   text   NOT NULL,
    permissions        text,             -- JSON array of a restricted key; NULL: unrestricted
    created_at         bigint NOT NULL,
    expires_at         bigint,           -- NULL: never
    secret_hash        bytea  UNIQUE CHECK (length(secret_hash) = 32),
    deleted_at         bigint,
    deleted_by         uuid,             -- the key that deleted this one
    deleted_request_id text,
    CONSTRAINT api_keys_live_or_tombstone CHECK (
        (secret_hash IS NOT NULL AND deleted_at IS NULL AND deleted_by IS NULL AND deleted_request_id IS NULL) OR
        (secret_hash IS NULL AND deleted_at IS NOT NULL AND deleted_by IS NOT NULL AND deleted_request_id IS NOT NULL)
    )
);

CREATE INDEX api_keys_by_project ON api_keys (project_id, created_at, id);
