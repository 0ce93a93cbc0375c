-- Tenants that can be made, changed and suspended; a host name is one tenant's; keys that tell when they were last used.

SET LOCAL ROLE tintype_owner;
SET LOCAL search_path = tintype;

-- `anonymous_uploads` null: as the installation has it. `configuration` has the tables `presets` and `kinds`, as in
-- tintype.toml; what is not in them is the installation's.
ALTER TABLE tenants
    ADD COLUMN name text,
    ADD COLUMN state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended')),
    ADD COLUMN origins text[] NOT NULL DEFAULT '{}',
    ADD COLUMN anonymous_uploads boolean,
    ADD COLUMN configuration jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN revision int4 NOT NULL DEFAULT 1,
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

-- Which tenant a host name leads to. Its key is what keeps two tenants from having one, whoever can see whose row.
CREATE TABLE hostnames (
    host text PRIMARY KEY,
    tenant int8 NOT NULL REFERENCES tenants
);

INSERT INTO hostnames (host, tenant) SELECT unnest(hostnames), id FROM tenants ORDER BY id ON CONFLICT DO NOTHING;

CREATE INDEX hostnames_of_tenant ON hostnames (tenant, host);

ALTER TABLE hostnames ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON hostnames USING (tenant = current_tenant());

GRANT INSERT, UPDATE ON tenants TO tintype_app;
GRANT SELECT, INSERT, DELETE ON hostnames TO tintype_app;

CREATE OR REPLACE FUNCTION tenant_of_host(in_host text) RETURNS int8
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT coalesce((SELECT tenant FROM hostnames WHERE host = in_host),
                          (SELECT id FROM tenants WHERE slug = 'default')) $$;

ALTER TABLE tenants DROP COLUMN hostnames;

ALTER TABLE api_keys ADD COLUMN last_used_at timestamptz;

CREATE INDEX api_keys_of_tenant ON api_keys (tenant, id DESC) WHERE revoked_at IS NULL;

GRANT INSERT ON api_keys TO tintype_app;
GRANT UPDATE (revoked_at, last_used_at) ON api_keys TO tintype_app;

-- Narrow look-ups -----------------------------------------------------------------------------------------------------

CREATE FUNCTION tenant_by_slug(in_slug text) RETURNS int8
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT id FROM tenants WHERE slug = in_slug $$;

-- Ids of tenants, newest first, for whoever manages them all.
CREATE FUNCTION tenants_before(in_tenant int8, in_limit int4) RETURNS SETOF int8
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT id FROM tenants WHERE id < in_tenant ORDER BY id DESC LIMIT in_limit $$;

-- Whose an image is, and whether they may be served: asked once for each image that is looked for.
CREATE FUNCTION find_image_tenant(
    in_bucket int2, in_id int8, in_secret bytea, OUT tenant int8, OUT suspended boolean
)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT i.tenant, coalesce(t.state = 'suspended', false)
          FROM images i LEFT JOIN tenants t ON t.id = i.tenant
          WHERE i.bucket = in_bucket AND i.id = in_id AND i.secret = in_secret $$;

REVOKE ALL ON FUNCTION tenant_by_slug(text), tenants_before(int8, int4), find_image_tenant(int2, int8, bytea)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_by_slug(text), tenants_before(int8, int4), find_image_tenant(int2, int8, bytea)
    TO tintype_app;
