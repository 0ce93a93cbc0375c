-- What tenants and accounts have and do, and how much they may have.

SET LOCAL ROLE tintype_owner;
SET LOCAL search_path = tintype;

-- How much may be kept. Account 0 is the tenant as a whole. A row says all: null is no limit. Without a row the settings
-- decide.
CREATE TABLE quotas (
    tenant int8 NOT NULL,
    account int8 NOT NULL,
    max_bytes int8 CHECK (max_bytes >= 0),
    max_images int8 CHECK (max_images >= 0),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, account)
);

-- What is kept now, in slots: what there is is the sum. One slot may be below zero, when what came by another goes by
-- it. An account has one slot; the tenant as a whole (account 0) has many, so that its uploads do not wait for each
-- other. Where there is a quota, each slot has a share of it (`share_…`: how far the slot may grow), and remembers of
-- which quota (`of_…`). Half of each page is left free: counting in place touches no index.
CREATE TABLE usage (
    tenant int8 NOT NULL,
    account int8 NOT NULL,
    slot int2 NOT NULL,
    bytes int8 NOT NULL DEFAULT 0,
    images int8 NOT NULL DEFAULT 0,
    share_bytes int8,
    share_images int8,
    of_bytes int8,
    of_images int8,
    PRIMARY KEY (tenant, account, slot)
) WITH (fillfactor = 50);

-- What was done on a day (UTC), in the same slots.
CREATE TABLE usage_days (
    tenant int8 NOT NULL,
    account int8 NOT NULL,
    day date NOT NULL,
    slot int2 NOT NULL,
    requests int8 NOT NULL DEFAULT 0,
    uploads int8 NOT NULL DEFAULT 0,
    bytes_in int8 NOT NULL DEFAULT 0,
    deletes int8 NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, account, day, slot)
) WITH (fillfactor = 50);

-- Batches of requests that were added, so that one whose commit was not heard of may be sent again.
CREATE TABLE usage_batches (
    tenant int8 NOT NULL,
    batch uuid NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, batch)
);

ALTER TABLE quotas ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON quotas USING (tenant = current_tenant());
ALTER TABLE usage ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON usage USING (tenant = current_tenant());
ALTER TABLE usage_days ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON usage_days USING (tenant = current_tenant());
ALTER TABLE usage_batches ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON usage_batches USING (tenant = current_tenant());

GRANT SELECT, INSERT, UPDATE, DELETE ON quotas, usage, usage_days, usage_batches TO tintype_app;

-- The story of these functions is told by db/usage.py. They run as whoever calls them, under the policies above.

-- The quota of an account (0: of the tenant): its row, else what the settings say.
CREATE FUNCTION quota_of(in_tenant int8, in_account int8, in_bytes int8, in_images int8,
                         OUT max_bytes int8, OUT max_images int8)
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
    SELECT q.max_bytes, q.max_images INTO max_bytes, max_images
        FROM quotas q WHERE q.tenant = in_tenant AND q.account = in_account;
    IF NOT FOUND THEN
        max_bytes := in_bytes;
        max_images := in_images;
    END IF;
END $$;

-- Refuses, as an error that ends the transaction: no round trip is needed to hear of it.
CREATE FUNCTION refuse_quota(in_account int8, in_what text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'quota.exceeded' USING
        ERRCODE = 'raise_exception',
        DETAIL = in_what,
        HINT = CASE WHEN in_account = 0 THEN 'tenant' ELSE 'account' END;
END $$;

-- Adds to the one slot of an account, unless that passes its quota. What shrinks is never refused.
CREATE FUNCTION add_to_account(in_tenant int8, in_account int8, in_bytes int8, in_images int8,
                               most_bytes int8, most_images int8) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    now_bytes int8;
    now_images int8;
BEGIN
    INSERT INTO usage AS u (tenant, account, slot, bytes, images)
        VALUES (in_tenant, in_account, 0, in_bytes, in_images)
        ON CONFLICT (tenant, account, slot)
            DO UPDATE SET bytes = u.bytes + excluded.bytes, images = u.images + excluded.images
        RETURNING bytes, images INTO now_bytes, now_images;
    IF in_images > 0 AND now_images > most_images THEN
        PERFORM refuse_quota(in_account, 'images');
    ELSIF in_bytes > 0 AND now_bytes > most_bytes THEN
        PERFORM refuse_quota(in_account, 'bytes');
    END IF;
END $$;

-- Takes from a slot of the tenant, which is never refused. What goes takes its share along: the room is shared out by
-- the next that needs it, so that a tenant above its quota gets none.
CREATE FUNCTION take_from_slot(in_tenant int8, in_slot int2, in_bytes int8, in_images int8) RETURNS void
    LANGUAGE sql
    AS $$
        INSERT INTO usage AS u (tenant, account, slot, bytes, images)
            VALUES (in_tenant, 0, in_slot, in_bytes, in_images)
            ON CONFLICT (tenant, account, slot) DO UPDATE SET
                bytes = u.bytes + excluded.bytes,
                images = u.images + excluded.images,
                share_bytes = u.share_bytes + excluded.bytes,
                share_images = u.share_images + excluded.images
    $$;

-- Adds to the tenant under the locks of all its slots, and shares out anew what room there is.
CREATE FUNCTION share_out(in_tenant int8, in_slot int2, in_slots int2, in_bytes int8, in_images int8,
                          in_max_bytes int8, in_max_images int8) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    most record;
    total record;
BEGIN
    INSERT INTO usage (tenant, account, slot) SELECT in_tenant, 0, n FROM generate_series(0, in_slots - 1) AS s (n)
        ON CONFLICT (tenant, account, slot) DO NOTHING;
    PERFORM FROM usage u WHERE u.tenant = in_tenant AND u.account = 0 ORDER BY u.slot FOR UPDATE;
    -- What was true before the locks may not be any more.
    SELECT * INTO most FROM quota_of(in_tenant, 0, in_max_bytes, in_max_images);
    SELECT sum(u.bytes)::int8 + in_bytes AS bytes, sum(u.images)::int8 + in_images AS images, count(*) AS slots
        INTO total FROM usage u WHERE u.tenant = in_tenant AND u.account = 0;
    IF in_images > 0 AND total.images > most.max_images THEN
        PERFORM refuse_quota(0, 'images');
    ELSIF in_bytes > 0 AND total.bytes > most.max_bytes THEN
        PERFORM refuse_quota(0, 'bytes');
    END IF;
    UPDATE usage u SET bytes = u.bytes + in_bytes, images = u.images + in_images
        WHERE u.tenant = in_tenant AND u.account = 0 AND u.slot = in_slot;
    UPDATE usage u SET
        share_bytes = u.bytes + greatest(most.max_bytes - total.bytes, 0) / total.slots,
        share_images = u.images + greatest(most.max_images - total.images, 0) / total.slots,
        of_bytes = most.max_bytes,
        of_images = most.max_images
        WHERE u.tenant = in_tenant AND u.account = 0;
END $$;

-- Adds to the tenant: to one slot within its share, or else under the locks of all.
CREATE FUNCTION add_to_tenant(in_tenant int8, in_slot int2, in_slots int2, in_bytes int8, in_images int8,
                              in_max_bytes int8, in_max_images int8) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    most record;
BEGIN
    SELECT * INTO most FROM quota_of(in_tenant, 0, in_max_bytes, in_max_images);
    UPDATE usage u SET bytes = u.bytes + in_bytes, images = u.images + in_images
        WHERE u.tenant = in_tenant AND u.account = 0 AND u.slot = in_slot
          AND u.of_bytes IS NOT DISTINCT FROM most.max_bytes AND u.of_images IS NOT DISTINCT FROM most.max_images
          AND (most.max_bytes IS NULL OR in_bytes = 0 OR u.bytes + in_bytes <= u.share_bytes)
          AND (most.max_images IS NULL OR in_images = 0 OR u.images + in_images <= u.share_images);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no room in this slot' USING ERRCODE = 'no_data_found';
    END IF;
EXCEPTION WHEN no_data_found THEN
    -- An update that waited for somebody and then found no room keeps that row's lock. It is undone here and lets go:
    -- who holds no slot may take all of them in their order, and nobody waits in a circle.
    PERFORM share_out(in_tenant, in_slot, in_slots, in_bytes, in_images, in_max_bytes, in_max_images);
END $$;

-- Counts what an upload, a replacement or a purge changes: for the account, if it is anybody's, and for the tenant.
-- Locks are taken in one order: the account's slot, the tenant's, then the days likewise.
CREATE FUNCTION count_usage(in_tenant int8, in_account int8, in_slot int2, in_slots int2,
                            in_bytes int8, in_images int8, in_uploads int8, in_bytes_in int8, in_deletes int8,
                            in_tenant_bytes int8, in_tenant_images int8,
                            in_account_bytes int8, in_account_images int8) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    most record;
BEGIN
    IF in_account IS NOT NULL THEN
        SELECT * INTO most FROM quota_of(in_tenant, in_account, in_account_bytes, in_account_images);
        PERFORM add_to_account(in_tenant, in_account, in_bytes, in_images, most.max_bytes, most.max_images);
    END IF;
    IF in_bytes > 0 OR in_images > 0 THEN
        PERFORM add_to_tenant(in_tenant, in_slot, in_slots, in_bytes, in_images, in_tenant_bytes, in_tenant_images);
    ELSE
        PERFORM take_from_slot(in_tenant, in_slot, in_bytes, in_images);
    END IF;
    INSERT INTO usage_days AS d (tenant, account, day, slot, uploads, bytes_in, deletes)
        SELECT in_tenant, s.account, current_date, s.slot, in_uploads, in_bytes_in, in_deletes
            FROM (VALUES (in_account, 0::int2), (0::int8, in_slot)) AS s (account, slot)
            WHERE s.account IS NOT NULL
        ON CONFLICT (tenant, account, day, slot) DO UPDATE SET
            uploads = d.uploads + excluded.uploads,
            bytes_in = d.bytes_in + excluded.bytes_in,
            deletes = d.deletes + excluded.deletes;
END $$;

-- Corrects what is counted by what a recount found, and takes back every share: they were of a wrong sum.
CREATE FUNCTION correct_usage(in_tenant int8, in_account int8, in_bytes int8, in_images int8) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO usage (tenant, account, slot) VALUES (in_tenant, in_account, 0)
        ON CONFLICT (tenant, account, slot) DO NOTHING;
    PERFORM FROM usage u WHERE u.tenant = in_tenant AND u.account = in_account ORDER BY u.slot FOR UPDATE;
    UPDATE usage u SET bytes = u.bytes + in_bytes, images = u.images + in_images
        WHERE u.tenant = in_tenant AND u.account = in_account AND u.slot = 0;
    UPDATE usage u SET share_bytes = u.bytes, share_images = u.images
        WHERE u.tenant = in_tenant AND u.account = in_account;
END $$;

-- What is there already. What comes while this runs, by code that does not count yet, is found by the nightly recount.
INSERT INTO usage (tenant, account, slot, bytes, images)
    SELECT tenant, account, 0, sum(size), count(*)
    FROM (SELECT tenant, 0 AS account, size FROM images WHERE state <> 'purged'
          UNION ALL
          SELECT tenant, owner, size FROM images WHERE state <> 'purged' AND owner IS NOT NULL) AS kept
    GROUP BY tenant, account;
