-- People: accounts, the names they are found by, their sessions, and keys that say what they are for.

SET LOCAL ROLE tintype_owner;
SET LOCAL search_path = tintype;

CREATE TABLE accounts (
    bucket int2 NOT NULL,
    id int8 NOT NULL,
    tenant int8 NOT NULL,
    handle text NOT NULL,
    email text NOT NULL,
    email_verified_at timestamptz,
    password_hash text,
    role text NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'moderator', 'operator')),
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'deleted')),
    state_reason text,
    name text,
    bio text,
    links text[] NOT NULL DEFAULT '{}',
    private boolean NOT NULL DEFAULT false,
    avatar int8,
    banner int8,
    revision int4 NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (bucket, id)
);

-- Who has a name: one account of a tenant for each, wherever its row lives. Both are stored in their normal form.
CREATE TABLE handles (
    tenant int8 NOT NULL,
    handle text NOT NULL,
    account int8 NOT NULL,
    PRIMARY KEY (tenant, handle)
);

CREATE TABLE emails (
    tenant int8 NOT NULL,
    email text NOT NULL,
    account int8 NOT NULL,
    PRIMARY KEY (tenant, email)
);

CREATE TABLE sessions (
    bucket int2 NOT NULL,
    id int8 NOT NULL,
    tenant int8 NOT NULL,
    account int8 NOT NULL,
    secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
    address text,
    agent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, id)
);

CREATE INDEX sessions_of_account ON sessions (bucket, account, id DESC);

ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON accounts USING (tenant = current_tenant());
ALTER TABLE handles ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON handles USING (tenant = current_tenant());
ALTER TABLE emails ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON emails USING (tenant = current_tenant());
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON sessions USING (tenant = current_tenant());

GRANT SELECT, INSERT, UPDATE, DELETE ON accounts, handles, emails, sessions TO tintype_app;

-- A key that says nothing of scopes has them all, as every key had until now.
ALTER TABLE api_keys ADD COLUMN account int8;
ALTER TABLE api_keys ADD COLUMN scopes text[];

-- Whose a purged image was: its owner may see the receipt.
ALTER TABLE purges ADD COLUMN owner int8;

-- The images of an account, newest first.
CREATE INDEX images_of_owner ON images (tenant, owner, id DESC) WHERE owner IS NOT NULL AND state <> 'purged';

-- A search, as before, of one account's images or (null) of all the tenant's.
CREATE FUNCTION search_images(
        in_words text, in_kind text, in_state text, in_source bytea, in_attached_type text, in_attached_id text,
        in_before int8, in_limit int4, in_owner int8) RETURNS SETOF int8
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$
DECLARE
    newest CONSTANT int4 := 1000;
    wanted tsquery := plainto_tsquery('pg_catalog.simple', in_words);
    matches CONSTANT text :=
        'image_words(title, alt, tags) @@ $2
             AND ($4 IS NULL OR kind = $4) AND ($5 IS NULL OR source_sha256 = $5)
             AND ($6 IS NULL OR (attached_type = $6 AND attached_id = $7))
             AND (expires_at IS NULL OR expires_at > now())';
    candidates CONSTANT text :=
        'tenant = $1 AND state <> ''purged'' AND id < $8
             AND CASE WHEN $3 IS NULL THEN state <> ''trashed'' ELSE state = $3 END
             AND ($11 IS NULL OR owner = $11)';
    found int8[];
BEGIN
    IF numnode(wanted) = 0 THEN
        RETURN;
    END IF;
    wanted := (wanted::text || ':*')::tsquery;
    EXECUTE 'SELECT array_agg(id) FROM (SELECT id FROM (
                 SELECT * FROM images WHERE ' || candidates || ' ORDER BY id DESC LIMIT $10) AS new
             WHERE ' || matches || ' ORDER BY id DESC LIMIT $9) AS page'
        INTO found
        USING current_tenant(), wanted, in_state, in_kind, in_source, in_attached_type, in_attached_id, in_before,
              in_limit, newest, in_owner;
    IF cardinality(found) = in_limit THEN
        RETURN QUERY SELECT unnest(found);
        RETURN;
    END IF;
    RETURN QUERY EXECUTE 'WITH hits AS MATERIALIZED (
                 SELECT id FROM images WHERE ' || candidates || ' AND ' || matches || '
                     AND (title IS NOT NULL OR alt IS NOT NULL OR tags <> ''{}''))
             SELECT id FROM hits ORDER BY id DESC LIMIT $9'
        USING current_tenant(), wanted, in_state, in_kind, in_source, in_attached_type, in_attached_id, in_before,
              in_limit, newest, in_owner;
END $$;

REVOKE ALL ON FUNCTION search_images(text, text, text, bytea, text, text, int8, int4, int8) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_images(text, text, text, bytea, text, text, int8, int4, int8) TO tintype_app;

-- Narrow look-ups: find_api_key stays for the code that is still running.
CREATE FUNCTION find_key(
    in_id int8, OUT tenant int8, OUT secret_hash bytea, OUT scopes text[], OUT account int8, OUT role text,
    OUT suspended boolean
)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT k.tenant, k.secret_hash, k.scopes, k.account, coalesce(a.role, 'member'),
                 coalesce(a.state <> 'active', k.account IS NOT NULL)
          FROM api_keys k
          LEFT JOIN accounts a ON a.bucket = (k.account >> 9 & 8191)::int2 AND a.id = k.account
          WHERE k.id = in_id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) $$;

CREATE FUNCTION find_session(
    in_bucket int2, in_id int8, OUT tenant int8, OUT account int8, OUT secret_hash bytea, OUT role text,
    OUT suspended boolean
)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT s.tenant, s.account, s.secret_hash, a.role, a.state <> 'active'
          FROM sessions s JOIN accounts a ON a.bucket = s.bucket AND a.id = s.account
          WHERE s.bucket = in_bucket AND s.id = in_id AND s.expires_at > now() AND a.state <> 'deleted' $$;

REVOKE ALL ON FUNCTION find_key(int8), find_session(int2, int8) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_key(int8), find_session(int2, int8) TO tintype_app;
