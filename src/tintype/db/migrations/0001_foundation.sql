-- The foundation: two roles, tenants and keys, images, blobs, variants, row-level security from the first day.
--
-- tintype_owner owns and migrates; tintype_app serves, without superuser and without BYPASSRLS. Roles belong to the
-- cluster, not to the database, so another database may have made them already.

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['tintype_owner', 'tintype_app'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
        IF current_user <> role AND NOT pg_has_role(current_user, role, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', role, current_user);
        END IF;
    END LOOP;
END $$;

CREATE SCHEMA tintype AUTHORIZATION tintype_owner;
GRANT USAGE ON SCHEMA tintype TO tintype_app;
SET LOCAL ROLE tintype_owner; -- every later migration begins like this
SET LOCAL search_path = tintype;

-- Reference tables (on Citus: on every node) --------------------------------------------------------------------------

CREATE TABLE tenants (
    id int8 PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    hostnames text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    id int8 PRIMARY KEY,
    tenant int8 NOT NULL REFERENCES tenants,
    name text NOT NULL,
    secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);

-- Sharded tables: bucket first, always --------------------------------------------------------------------------------

-- Stored bytes, shared by every image of the tenant that has them. The row's lock orders a purge against an upload.
CREATE TABLE blobs (
    bucket int2 NOT NULL,
    tenant int8 NOT NULL,
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    size int8 NOT NULL,
    format text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, tenant, sha256)
);

-- One row per image and version that uses a blob. The owner is the account, or the tenant for uploads by API key.
CREATE TABLE blob_refs (
    bucket int2 NOT NULL,
    tenant int8 NOT NULL,
    sha256 bytea NOT NULL,
    image int8 NOT NULL,
    version int4 NOT NULL,
    owner int8,
    PRIMARY KEY (bucket, tenant, sha256, image, version)
);

CREATE TABLE images (
    bucket int2 NOT NULL,
    id int8 NOT NULL,
    tenant int8 NOT NULL,
    secret bytea NOT NULL CHECK (length(secret) = 8),
    owner int8,
    created_by int8,
    kind text NOT NULL,
    recipe jsonb NOT NULL,
    sha256 bytea NOT NULL,
    source_sha256 bytea NOT NULL,
    sanitiser_version int2 NOT NULL,
    format text NOT NULL,
    width int4 NOT NULL,
    height int4 NOT NULL,
    frames int4 NOT NULL,
    size int8 NOT NULL,
    title text,
    alt text,
    tags text[] NOT NULL DEFAULT '{}',
    visibility text NOT NULL CHECK (visibility IN ('public', 'unlisted', 'followers', 'private')),
    state text NOT NULL
        CHECK (state IN ('processing', 'ready', 'rejected', 'failed', 'quarantined', 'trashed', 'purged')),
    state_reason text,
    version int4 NOT NULL DEFAULT 1,
    thumbhash text,
    dominant_color text,
    write_token_hash bytea,
    read_token_hash bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    purged_at timestamptz,
    PRIMARY KEY (bucket, id)
);

-- Files derived from a blob: what made them (digest), and what came out (file_sha256). Two renders of one digest may differ
-- in a pixel, because a small size is scaled from the next larger one that is made with it; the first recorded stays.
CREATE TABLE variants (
    bucket int2 NOT NULL,
    tenant int8 NOT NULL,
    sha256 bytea NOT NULL,
    digest text NOT NULL,
    preset text NOT NULL,
    format text NOT NULL,
    width int4 NOT NULL,
    height int4 NOT NULL,
    size int8 NOT NULL,
    file_sha256 bytea NOT NULL CHECK (length(file_sha256) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, tenant, sha256, digest)
);

-- Row-level security: the second lock, for the day a query forgets its tenant -----------------------------------------

CREATE FUNCTION current_tenant() RETURNS int8
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.tenant', true), '')::int8 $$;

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON tenants USING (id = current_tenant());
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON api_keys USING (tenant = current_tenant());
ALTER TABLE blobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON blobs USING (tenant = current_tenant());
ALTER TABLE blob_refs ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON blob_refs USING (tenant = current_tenant());
ALTER TABLE images ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON images USING (tenant = current_tenant());
ALTER TABLE variants ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON variants USING (tenant = current_tenant());

GRANT SELECT ON tenants TO tintype_app;
GRANT SELECT ON api_keys TO tintype_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON blobs, blob_refs, images, variants TO tintype_app;

-- Narrow look-ups for what has no tenant yet: each answers one question about one thing that the caller can name -------

CREATE FUNCTION tenant_of_image(in_bucket int2, in_id int8, in_secret bytea) RETURNS int8
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT tenant FROM images WHERE bucket = in_bucket AND id = in_id AND secret = in_secret $$;

CREATE FUNCTION tenant_of_host(in_host text) RETURNS int8
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT id FROM tenants WHERE in_host = ANY (hostnames) OR slug = 'default'
          ORDER BY (in_host = ANY (hostnames)) DESC LIMIT 1 $$;

CREATE FUNCTION find_api_key(in_id int8, OUT tenant int8, OUT secret_hash bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT tenant, secret_hash FROM api_keys
          WHERE id = in_id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) $$;

REVOKE ALL ON FUNCTION tenant_of_image, tenant_of_host, find_api_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_of_image, tenant_of_host, find_api_key TO tintype_app;
