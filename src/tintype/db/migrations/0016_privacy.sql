-- Who did what, and what a person may ask for: the audit log, exports, deletions of accounts.

SET LOCAL ROLE tintype_owner;
SET LOCAL search_path = tintype;

-- The audit log --------------------------------------------------------------------------------------------------------

-- An id is the microseconds since 2026 and 12 random bits, so that ids are in the order of time, tell nothing of how much
-- other tenants do, and a range of time is a range of ids. Not sharded by account: it is read by tenant and time.
CREATE TABLE audit_log (
    tenant int8 NOT NULL,
    id int8 NOT NULL,
    at timestamptz NOT NULL, -- this clock's, the same moment as the id
    action text NOT NULL CHECK (action ~ '^[a-z_]+\.[a-z_]+$'), -- domain/audit.py has the list
    result text NOT NULL CHECK (result IN ('done', 'refused')),
    via text NOT NULL CHECK (via IN ('api', 'command', 'system')),
    actor int8, -- the account that did it; null with a key is a tenant's own key, null without one a stranger
    key int8, -- the API key that was shown
    address text,
    account int8, -- whom it concerns
    object text, -- the public id of what it was done to, without what would open it
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant, id)
);
CREATE INDEX audit_log_by_action ON audit_log (tenant, action, id DESC);
CREATE INDEX audit_log_by_actor ON audit_log (tenant, actor, id DESC) WHERE actor IS NOT NULL;
CREATE INDEX audit_log_by_key ON audit_log (tenant, key, id DESC) WHERE key IS NOT NULL;
CREATE INDEX audit_log_by_account ON audit_log (tenant, account, id DESC) WHERE account IS NOT NULL;
CREATE INDEX audit_log_by_object ON audit_log (tenant, object, id DESC) WHERE object IS NOT NULL;

ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON audit_log USING (tenant = current_tenant());
GRANT SELECT, INSERT ON audit_log TO tintype_app; -- what is written stays: no UPDATE, no DELETE, no TRUNCATE

-- The least id of a moment; of one that no entry can have, the nearest.
CREATE FUNCTION audit_id(in_moment timestamptz) RETURNS int8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT greatest(0, least(2251799813685247, (extract(epoch FROM in_moment) * 1000000)::int8 - 1767225600000000))
                 << 12 $$;

-- Appends an entry of the tenant of the transaction. Of two entries that draw one id the second draws again.
CREATE FUNCTION append_to_audit_log(
    in_action text, in_result text, in_via text, in_actor int8, in_key int8, in_address text, in_account int8,
    in_object text, in_detail jsonb
) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = tintype, pg_temp
    AS $$
DECLARE
    moment timestamptz;
BEGIN
    LOOP
        moment := clock_timestamp();
        INSERT INTO audit_log (tenant, id, at, action, result, via, actor, key, address, account, object, detail)
        VALUES (current_tenant(), audit_id(moment) + floor(random() * 4096)::int8, moment, in_action, in_result, in_via,
                in_actor, in_key, in_address, in_account, in_object, in_detail)
        ON CONFLICT (tenant, id) DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;
END $$;

-- Forgets at most so many entries of the tenant that are older than `in_before`, and returns how many. Whatever asks for
-- it, nothing of the last month goes: who broke in yesterday cannot cover the traces of it.
CREATE FUNCTION forget_audit_entries(in_before timestamptz, in_limit int4) RETURNS int8
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$
DECLARE
    forgotten int8;
BEGIN
    IF in_before > clock_timestamp() - interval '30 days' THEN
        RAISE EXCEPTION 'the audit log keeps the last 30 days' USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM audit_log WHERE tenant = current_tenant() AND id IN (
        SELECT id FROM audit_log WHERE tenant = current_tenant() AND id < audit_id(in_before) ORDER BY id LIMIT in_limit);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END $$;

REVOKE ALL ON FUNCTION forget_audit_entries FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_audit_entries TO tintype_app;

-- Exports: what an account asked for last. Its file lies in the blob store under the id ---------------------------------

CREATE TABLE account_exports (
    bucket int2 NOT NULL, -- the account's
    account int8 NOT NULL,
    tenant int8 NOT NULL,
    id int8 NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'running', 'ready', 'failed')),
    images_total int8 NOT NULL DEFAULT 0,
    images_done int8 NOT NULL DEFAULT 0,
    size int8, -- of the file, in bytes
    sha256 bytea CHECK (length(sha256) = 32),
    requested_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    expires_at timestamptz,
    PRIMARY KEY (bucket, account)
);
ALTER TABLE account_exports ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON account_exports USING (tenant = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON account_exports TO tintype_app;

-- Deletions: the receipt that outlives the account ------------------------------------------------------------------------

CREATE TABLE account_deletions (
    bucket int2 NOT NULL, -- the account's
    account int8 NOT NULL,
    tenant int8 NOT NULL,
    cause text NOT NULL CHECK (cause IN ('request', 'operator', 'journal')),
    state text NOT NULL CHECK (state IN ('under_way', 'done')),
    token_hash bytea CHECK (length(token_hash) = 32), -- of who asked; the operator needs none
    removed jsonb NOT NULL DEFAULT '{}', -- table → rows
    requested_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (bucket, account)
);
CREATE INDEX account_deletions_under_way ON account_deletions (tenant, account) WHERE state = 'under_way';
ALTER TABLE account_deletions ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON account_deletions USING (tenant = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON account_deletions TO tintype_app;

-- Whose receipt it is says the token alone; it finds its tenant by the account's id.
CREATE FUNCTION tenant_of_deletion(in_bucket int2, in_account int8) RETURNS int8
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT tenant FROM account_deletions WHERE bucket = in_bucket AND account = in_account $$;
REVOKE ALL ON FUNCTION tenant_of_deletion FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_of_deletion TO tintype_app;

-- An image may be purged with its account.
ALTER TABLE purges DROP CONSTRAINT purges_cause_check;
ALTER TABLE purges ADD CONSTRAINT purges_cause_check CHECK (cause IN ('request', 'trash', 'expiry', 'account'));
CREATE INDEX purges_of_owner ON purges (tenant, owner, image) WHERE owner IS NOT NULL;

-- With an account its keys go.
GRANT DELETE ON api_keys TO tintype_app;
