-- Accounts that sign up and in: mails to them, set-up links, sessions that slide.

SET LOCAL ROLE tintype_owner;
SET LOCAL search_path = tintype;

-- Who shows that an address is theirs takes it from whoever only said so.
ALTER TABLE emails ADD COLUMN verified_at timestamptz;

-- A mail to an account, and how long the token in it is good. The token itself derives from the server's key and the id.
CREATE TABLE mails (
    bucket int2 NOT NULL,
    id int8 NOT NULL,
    tenant int8 NOT NULL,
    account int8 NOT NULL,
    kind text NOT NULL,
    address text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    sent_at timestamptz,
    refused_at timestamptz,
    used_at timestamptz,
    PRIMARY KEY (bucket, id)
);

CREATE INDEX mails_of_account ON mails (bucket, account, kind, id DESC);
CREATE INDEX mails_by_end ON mails (expires_at);

-- One-time links that make an operator: few, and of no account yet.
CREATE TABLE setup_links (
    id int8 PRIMARY KEY,
    tenant int8 NOT NULL REFERENCES tenants (id),
    secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

CREATE INDEX sessions_by_end ON sessions (expires_at);
CREATE INDEX accounts_of_tenant ON accounts (tenant, id DESC);
CREATE INDEX operators_of_tenant ON accounts (tenant) WHERE role = 'operator';

ALTER TABLE mails ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON mails USING (tenant = current_tenant());
ALTER TABLE setup_links ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON setup_links USING (tenant = current_tenant());

GRANT SELECT, INSERT, UPDATE, DELETE ON mails TO tintype_app;
GRANT SELECT, DELETE ON setup_links TO tintype_app;

-- Narrow look-ups of what has no tenant yet.
-- That a session is used is noted once in ten minutes: a write for each request would cost more than the request.
DROP FUNCTION find_session(int2, int8);

CREATE FUNCTION find_session(
    in_bucket int2, in_id int8, OUT tenant int8, OUT account int8, OUT secret_hash bytea, OUT role text,
    OUT suspended boolean, OUT stale boolean
)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT s.tenant, s.account, s.secret_hash, a.role, a.state <> 'active',
                 s.seen_at < now() - interval '10 minutes'
          FROM sessions s JOIN accounts a ON a.bucket = s.bucket AND a.id = s.account
          WHERE s.bucket = in_bucket AND s.id = in_id AND s.expires_at > now() AND a.state <> 'deleted' $$;

CREATE FUNCTION tenant_of_mail(in_bucket int2, in_id int8) RETURNS int8
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT tenant FROM mails WHERE bucket = in_bucket AND id = in_id $$;

CREATE FUNCTION tenant_of_setup_link(in_id int8) RETURNS int8
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT tenant FROM setup_links WHERE id = in_id $$;

-- Sweeps, across buckets and tenants: each row is over by its own time alone. They return how many rows went.
CREATE FUNCTION sweep_sessions(in_limit int4) RETURNS int8
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$
        WITH over AS (
            SELECT bucket, id FROM sessions WHERE expires_at < now() ORDER BY expires_at LIMIT in_limit
            FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM sessions s USING over WHERE s.bucket = over.bucket AND s.id = over.id RETURNING 1
        )
        SELECT count(*) FROM gone
    $$;

CREATE FUNCTION sweep_mails(in_limit int4) RETURNS int8
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$
        WITH over AS (
            SELECT bucket, id FROM mails WHERE expires_at < now() ORDER BY expires_at LIMIT in_limit
            FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM mails m USING over WHERE m.bucket = over.bucket AND m.id = over.id RETURNING 1
        )
        SELECT count(*) FROM gone
    $$;

CREATE FUNCTION sweep_setup_links() RETURNS int8
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ WITH gone AS (DELETE FROM setup_links WHERE expires_at < now() RETURNING 1) SELECT count(*) FROM gone $$;

REVOKE ALL ON FUNCTION find_session(int2, int8), tenant_of_mail(int2, int8), tenant_of_setup_link(int8),
    sweep_sessions(int4), sweep_mails(int4), sweep_setup_links() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_session(int2, int8), tenant_of_mail(int2, int8), tenant_of_setup_link(int8),
    sweep_sessions(int4), sweep_mails(int4), sweep_setup_links() TO tintype_app;
