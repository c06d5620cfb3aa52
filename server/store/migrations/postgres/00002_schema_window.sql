-- A program is known by the version that its own migrations lead to. oldest_program is the oldest one that works with a
-- version of the schema: while a new release rolls out, programs of the previous release read here that they may go on.
-- Each migration from here on inserts the row of its version.
CREATE TABLE diga_schema_window (
    schema_version bigint NOT NULL PRIMARY KEY,
    oldest_program bigint NOT NULL CHECK (oldest_program < schema_version)
);

INSERT INTO diga_schema_window (schema_version, oldest_program) VALUES (2, 1);
