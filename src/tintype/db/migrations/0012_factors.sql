-- Other ways to show who one is: codes of an authenticator app, recovery codes, passkeys, accounts elsewhere.

SET LOCAL ROLE tintype_owner;
SET LOCAL search_path = tintype;

-- The authenticator app of an account. `secret` is sealed; unconfirmed, it asks nobody for anything yet. A code belongs
-- to a step of 30 s, and none of `last_step` or before is accepted any more.
CREATE TABLE totp (
    bucket int2 NOT NULL,
    account int8 NOT NULL,
    tenant int8 NOT NULL,
    secret bytea NOT NULL,
    last_step int8 NOT NULL DEFAULT 0,
    confirmed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, account)
);

-- What stands in for the app when it is lost. Each works once.
CREATE TABLE recovery_codes (
    bucket int2 NOT NULL,
    account int8 NOT NULL,
    code_hash bytea NOT NULL CHECK (length(code_hash) = 32),
    tenant int8 NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (bucket, account, code_hash)
);

CREATE TABLE passkeys (
    bucket int2 NOT NULL,
    id int8 NOT NULL,
    tenant int8 NOT NULL,
    account int8 NOT NULL,
    credential bytea NOT NULL CHECK (length(credential) BETWEEN 1 AND 1023),
    public_key bytea NOT NULL,
    sign_count int8 NOT NULL,
    transports text[] NOT NULL DEFAULT '{}',
    backed_up boolean NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz,
    PRIMARY KEY (bucket, id)
);
CREATE UNIQUE INDEX passkeys_of_account ON passkeys (bucket, account, credential);

-- Whose an account elsewhere is: like handles and e-mail addresses found by name, wherever the account's row lives.
CREATE TABLE identities (
    tenant int8 NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    account int8 NOT NULL,
    provider text NOT NULL, -- the name that the settings had for the issuer
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, issuer, subject)
);
CREATE UNIQUE INDEX identities_of_account ON identities (tenant, account, provider);

-- What was asked of a browser and is answered once, soon: the challenge of a passkey, the state of a sign-in elsewhere.
-- Unlogged: a crash of the server empties the table, and whoever was about to sign in begins again.
CREATE UNLOGGED TABLE challenges (
    bucket int2 NOT NULL,
    tenant int8 NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    purpose text NOT NULL,
    account int8, -- whom it was given to, where that is known
    detail jsonb NOT NULL DEFAULT '{}',
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, tenant, digest)
);
CREATE INDEX challenges_by_age ON challenges (expires_at);

ALTER TABLE totp ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON totp USING (tenant = current_tenant());
ALTER TABLE recovery_codes ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON recovery_codes USING (tenant = current_tenant());
ALTER TABLE passkeys ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON passkeys USING (tenant = current_tenant());
ALTER TABLE identities ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON identities USING (tenant = current_tenant());
ALTER TABLE challenges ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON challenges USING (tenant = current_tenant());

GRANT SELECT, INSERT, UPDATE, DELETE ON totp, recovery_codes, passkeys, identities, challenges TO tintype_app;

-- Forgets challenges that nobody answered, across buckets and tenants: each is over by its own time alone.
CREATE FUNCTION sweep_challenges() RETURNS int8
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$
        WITH gone AS (DELETE FROM challenges WHERE expires_at < now() RETURNING 1)
        SELECT count(*) FROM gone
    $$;

REVOKE ALL ON FUNCTION sweep_challenges() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sweep_challenges() TO tintype_app;
