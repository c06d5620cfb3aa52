-- Two roles on PostgreSQL: diga_owner migrates the schema and manages keys, diga_server serves and can neither create nor
-- remove anything. Run this once in the server's database, before or after the first `diga-api migrate`, as a superuser or as
-- the owner of the database if it may create roles:
--
--   psql --set=ON_ERROR_STOP=1 --file=deploy/postgres/roles.sql postgres://.../diga
--
-- Then set the passwords with psql's \password diga_owner and \password diga_server, which send only hashes. From then on
-- `diga-api migrate` and `diga-api keys` connect as diga_owner, and `diga-api serve --migrate=false` as diga_server.
BEGIN;

CREATE ROLE diga_owner LOGIN;
CREATE ROLE diga_server LOGIN;

-- Only a member of diga_owner, or a superuser, may set its default privileges.
GRANT diga_owner TO CURRENT_USER;

-- From PostgreSQL 15 on, only the owner of the database may create tables in the schema public; before, everyone may.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO diga_owner;
GRANT USAGE ON SCHEMA public TO diga_server;

-- For the tables that migrations create, now and later.
ALTER DEFAULT PRIVILEGES FOR ROLE diga_owner IN SCHEMA public GRANT SELECT, UPDATE ON TABLES TO diga_server;

-- For the tables of a database that the role of this session has migrated before.
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'
        AND tablename IN ('api_keys', 'diga_schema_version', 'diga_schema_window')
    LOOP
        EXECUTE format('ALTER TABLE public.%I OWNER TO diga_owner', name);
        EXECUTE format('GRANT SELECT, UPDATE ON public.%I TO diga_server', name);
    END LOOP;
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;

COMMIT;
