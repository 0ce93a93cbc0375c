-- What a server has to remember about requests: answers that a repeated request gets again, and how much each caller
-- has had of late.

SET LOCAL ROLE tintype_owner;
SET LOCAL search_path = tintype;

-- One row per request that came with an Idempotency-Key and made an image, written in the transaction that made it. The
-- image is given an id of the key's own bucket: the two lie in one shard. `key` is a digest of the caller and the key.
CREATE TABLE idempotency_keys (
    bucket int2 NOT NULL,
    tenant int8 NOT NULL,
    key bytea NOT NULL CHECK (length(key) = 32),
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    image int8 NOT NULL,
    answer text, -- JSON without tokens, which derive from the image's id; null when the image was purged
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, tenant, key)
);
CREATE INDEX idempotency_keys_by_image ON idempotency_keys (bucket, image);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON idempotency_keys USING (tenant = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO tintype_app;

-- Token buckets. Unlogged: a crash of the server empties the table, and everybody begins with a full bucket; in return
-- an upload waits for no disk because it is counted. Half of each page is left free, so that counting up and down in
-- place touches no index. Only the functions below reach it.
CREATE UNLOGGED TABLE rate_buckets (
    bucket int2 NOT NULL,
    tenant int8 NOT NULL,
    subject text NOT NULL, -- whom and what it counts, such as `address 192.0.2.1 bytes`
    tokens float8 NOT NULL, -- left at `at`; below zero when somebody had more than they had said they would take
    burst float8 NOT NULL,
    rate float8 NOT NULL, -- a second
    at timestamptz NOT NULL,
    PRIMARY KEY (bucket, tenant, subject)
) WITH (fillfactor = 50);

ALTER TABLE rate_buckets ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON rate_buckets USING (tenant = current_tenant());

-- Takes from all of these buckets, or from none when one has too little: then one of the numbers that it returns, which
-- are what would be left in each, is below zero. What is `spent` already is taken in any case.
-- Rows are locked in the order of their subjects, so that no two calls wait for each other.
CREATE FUNCTION take_tokens(
    in_tenant int8, in_buckets int2[], in_subjects text[], in_bursts float8[], in_rates float8[], in_costs float8[],
    in_spent boolean
) RETURNS float8[]
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    remaining float8[];
BEGIN
    WITH wanted AS (
        SELECT * FROM unnest(in_buckets, in_subjects, in_bursts, in_rates, in_costs)
            WITH ORDINALITY AS w (bucket, subject, burst, rate, cost, place)
    ), taken AS (
        INSERT INTO rate_buckets AS held (bucket, tenant, subject, tokens, burst, rate, at)
        SELECT bucket, in_tenant, subject, burst - cost, burst, rate, moment FROM wanted ORDER BY subject
        ON CONFLICT (bucket, tenant, subject) DO UPDATE SET
            tokens = least(
                    excluded.burst,
                    held.tokens + greatest(0, extract(epoch FROM excluded.at - held.at)::float8) * excluded.rate
                ) - (excluded.burst - excluded.tokens),
            burst = excluded.burst,
            rate = excluded.rate,
            at = greatest(held.at, excluded.at)
        RETURNING held.subject, held.tokens
    )
    SELECT array_agg(taken.tokens ORDER BY wanted.place) INTO remaining FROM wanted JOIN taken USING (subject);

    IF NOT in_spent AND -1e-6 > ANY (remaining) THEN
        UPDATE rate_buckets AS held SET tokens = held.tokens + given.cost
        FROM unnest(in_buckets, in_subjects, in_costs) AS given (bucket, subject, cost)
        WHERE held.bucket = given.bucket AND held.tenant = in_tenant AND held.subject = given.subject;
    END IF;
    RETURN remaining;
END $$;

-- Sweeps, across buckets and tenants: each row is over by its own clock alone. ------------------------------------------

-- Forgets at most so many answers that were kept for a day, and returns how many.
CREATE FUNCTION sweep_idempotency_keys(in_limit int4) RETURNS int8
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$
        WITH over AS (
            SELECT bucket, tenant, key FROM idempotency_keys WHERE created_at < now() - interval '24 hours'
            ORDER BY created_at LIMIT in_limit FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM idempotency_keys k USING over
            WHERE k.bucket = over.bucket AND k.tenant = over.tenant AND k.key = over.key RETURNING 1
        )
        SELECT count(*) FROM gone
    $$;

-- Forgets buckets that are full again, which is what a bucket is that nobody knows, and returns how many.
CREATE FUNCTION sweep_rate_buckets() RETURNS int8
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$
        WITH gone AS (
            DELETE FROM rate_buckets
            WHERE at + make_interval(secs => (burst - tokens) / rate) < clock_timestamp() RETURNING 1
        )
        SELECT count(*) FROM gone
    $$;

REVOKE ALL ON FUNCTION take_tokens, sweep_idempotency_keys, sweep_rate_buckets FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_tokens, sweep_idempotency_keys, sweep_rate_buckets TO tintype_app;
