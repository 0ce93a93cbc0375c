-- Who may see what: keys that sign addresses of images, and who follows whom.

SET LOCAL ROLE tintype_owner;
SET LOCAL search_path = tintype;

-- A reference table, like tenants. One key of a tenant signs; the one before it verifies what it signed, until the next
-- rotation or until it is retired. The secret is sealed, and gone when the key is. `request` is the digest of the request
-- that made the key: a repetition gets the same key again.
CREATE TABLE signing_keys (
    tenant int8 NOT NULL REFERENCES tenants,
    kid text NOT NULL CHECK (kid ~ '^[0-9A-Za-z]{8}$'),
    state text NOT NULL CHECK (state IN ('signing', 'verifying', 'retired')),
    secret bytea,
    request bytea CHECK (length(request) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz,
    PRIMARY KEY (tenant, kid),
    CHECK ((state = 'retired') = (secret IS NULL))
);

-- Two keys are valid at most; and of two processes that make a tenant's first key one comes too late.
CREATE UNIQUE INDEX signing_keys_in_use ON signing_keys (tenant, state) WHERE state <> 'retired';
CREATE UNIQUE INDEX signing_keys_by_request ON signing_keys (tenant, request) WHERE request IS NOT NULL;

-- The truth of who follows whom, in the follower's bucket: a row is a follow that was accepted.
CREATE TABLE follows_out (
    bucket int2 NOT NULL,
    follower int8 NOT NULL,
    followee int8 NOT NULL,
    tenant int8 NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, follower, followee)
);

ALTER TABLE signing_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON signing_keys USING (tenant = current_tenant());
ALTER TABLE follows_out ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON follows_out USING (tenant = current_tenant());

GRANT SELECT, INSERT, UPDATE ON signing_keys TO tintype_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON follows_out TO tintype_app;
