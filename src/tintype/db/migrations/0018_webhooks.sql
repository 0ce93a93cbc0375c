-- Webhooks: what happened is written where it happens, and told to the tenant's receivers until they have it.

SET LOCAL ROLE tintype_owner;
SET LOCAL search_path = tintype;

-- A reference table, like tenants. `secret` is sealed; `old_secret`, too, and signs beside it until `old_secret_until`.
CREATE TABLE webhooks (
    tenant int8 NOT NULL REFERENCES tenants,
    id int8 NOT NULL,
    url text NOT NULL,
    description text,
    events text[] NOT NULL CHECK (cardinality(events) > 0), -- domain/webhook.py has the list; '*' is all of them
    enabled boolean NOT NULL DEFAULT true,
    disabled_reason text CHECK (disabled_reason IN ('request', 'failing', 'gone')),
    secret bytea NOT NULL,
    old_secret bytea,
    old_secret_until timestamptz,
    failing_since timestamptz, -- the first failure since the last delivery that arrived
    revision int4 NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id),
    CHECK (enabled = (disabled_reason IS NULL)),
    CHECK ((old_secret IS NULL) = (old_secret_until IS NULL))
);
CREATE INDEX webhooks_of_tenant ON webhooks (tenant, id DESC);

-- Events, in the transaction that causes them. Whoever takes one deletes it, under its lock: an id says nothing of when
-- its transaction commits, so nobody may remember how far they have read.
CREATE TABLE outbox (
    bucket int2 NOT NULL, -- the image's
    id int8 NOT NULL,
    tenant int8 NOT NULL,
    type text NOT NULL,
    image int8 NOT NULL,
    occurred_at timestamptz NOT NULL,
    snapshot jsonb NOT NULL, -- the image's row as it was then, without hashes of tokens
    PRIMARY KEY (bucket, id)
);
CREATE INDEX outbox_of_tenant ON outbox (tenant, id);
CREATE INDEX outbox_of_image ON outbox (bucket, image);

-- What a receiver is told, or was: one row for each event and receiver, with the bytes that are sent every time.
CREATE TABLE webhook_deliveries (
    bucket int2 NOT NULL, -- the webhook's
    webhook int8 NOT NULL,
    event int8 NOT NULL,
    tenant int8 NOT NULL,
    type text NOT NULL,
    image int8, -- whose purge takes what is said here of it
    body text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts int4 NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(), -- of a pending one: when it is tried; while it is, when it counts as lost
    occurred_at timestamptz NOT NULL,
    tried_at timestamptz,
    status int2, -- of the last attempt: what the receiver answered, and why it did not count or did not come
    error text,
    milliseconds int4,
    delivered_at timestamptz,
    PRIMARY KEY (bucket, webhook, event)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (due_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (tenant, event DESC, webhook DESC) WHERE state = 'dead';
CREATE INDEX webhook_deliveries_of_image ON webhook_deliveries (tenant, image);
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (tenant, occurred_at);

ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON webhooks USING (tenant = current_tenant());
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON outbox USING (tenant = current_tenant());
ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON webhook_deliveries USING (tenant = current_tenant());

GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks, outbox, webhook_deliveries TO tintype_app;

-- Writes an event about an image of the tenant, which is `in_told`, if anybody wants to hear of it. Its id is drawn as all
-- are (domain/ids.py), from this clock; of two events that draw one id the second draws again.
CREATE FUNCTION tell(in_type text, in_bucket int2, in_image int8, in_told jsonb) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = tintype, pg_temp
    AS $$
DECLARE
    moment timestamptz;
BEGIN
    LOOP
        moment := clock_timestamp();
        INSERT INTO outbox (bucket, id, tenant, type, image, occurred_at, snapshot)
        VALUES (in_bucket, (floor(extract(epoch FROM moment) * 1000)::int8 - 1767225600000) << 22
                    | in_bucket::int8 << 9 | floor(random() * 512)::int8,
                current_tenant(), in_type, in_image, moment,
                in_told - '{write_token_hash,read_token_hash,address,filename}'::text[])
        ON CONFLICT (bucket, id) DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;
END $$;

CREATE FUNCTION is_heard(in_type text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = tintype, pg_temp
    AS $$ SELECT EXISTS (SELECT FROM webhooks
                         WHERE tenant = current_tenant() AND enabled AND events && ARRAY['*', in_type]) $$;

-- Tells of an image as it is in this transaction. A purge takes what was said of it before.
CREATE FUNCTION tell_of_image(in_type text, in_bucket int2, in_image int8) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = tintype, pg_temp
    AS $$
BEGIN
    IF in_type = 'image.purged' THEN
        DELETE FROM outbox WHERE bucket = in_bucket AND image = in_image;
        DELETE FROM webhook_deliveries WHERE tenant = current_tenant() AND image = in_image;
    END IF;
    IF is_heard(in_type) THEN
        PERFORM tell(in_type, in_bucket, in_image, to_jsonb(i)) FROM images i
            WHERE i.bucket = in_bucket AND i.id = in_image;
    END IF;
END $$;

-- Tells of an upload that ends before it becomes an image: of what is known of that (`Upload.as_image`).
CREATE FUNCTION tell_of_upload(in_type text, in_bucket int2, in_upload int8) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = tintype, pg_temp
    AS $$
BEGIN
    IF is_heard(in_type) THEN
        PERFORM tell(in_type, in_bucket, in_upload, to_jsonb(u) || jsonb_build_object(
                'recipe', '{"presets": [], "outputs": []}'::jsonb, 'version', 0, 'revision', 2, 'hold', false,
                'sha256', ''::bytea, 'source_sha256', coalesce(u.sha256, ''::bytea), 'format', 'jpeg', 'width', 0,
                'height', 0, 'frames', 0, 'size', 0, 'expires_at', NULL))
            FROM uploads u WHERE u.bucket = in_bucket AND u.id = in_upload;
    END IF;
END $$;

-- Narrow look-ups for whoever delivers for every tenant -----------------------------------------------------------------

CREATE FUNCTION tenants_with_events(in_limit int4) RETURNS SETOF int8
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT DISTINCT tenant FROM (SELECT tenant FROM outbox LIMIT in_limit) AS waiting $$;

-- Takes deliveries that are due, oldest first, at most `in_each` of one webhook and none of those that are busy. Taken,
-- one is due again after `in_lease`: whoever took it may die. A suspended tenant's wait.
CREATE FUNCTION take_webhook_deliveries(in_busy int8[], in_limit int4, in_each int4, in_lease interval)
    RETURNS TABLE (tenant int8, webhook int8, event int8, attempt int4)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$
    WITH due AS MATERIALIZED (
        SELECT d.bucket, d.webhook, d.event, d.due_at FROM webhook_deliveries d
            JOIN webhooks w ON w.id = d.webhook AND w.enabled
            JOIN tenants t ON t.id = d.tenant AND t.state = 'active'
        WHERE d.state = 'pending' AND d.due_at <= now() AND d.webhook <> ALL (in_busy)
        ORDER BY d.due_at LIMIT 20 * in_limit),
    fair AS (
        SELECT *, row_number() OVER (PARTITION BY due.webhook ORDER BY due.due_at, due.event) AS place FROM due),
    taken AS MATERIALIZED (
        SELECT d.bucket, d.webhook, d.event FROM webhook_deliveries d JOIN fair f
            ON (d.bucket, d.webhook, d.event) = (f.bucket, f.webhook, f.event)
        WHERE f.place <= in_each AND d.state = 'pending' AND d.due_at <= now()
        ORDER BY f.due_at LIMIT in_limit FOR UPDATE OF d SKIP LOCKED)
    UPDATE webhook_deliveries d SET attempts = d.attempts + 1, due_at = now() + in_lease
    FROM taken WHERE (d.bucket, d.webhook, d.event) = (taken.bucket, taken.webhook, taken.event)
    RETURNING d.tenant, d.webhook, d.event, d.attempts $$;

-- How many wait, how many were given up, for how many seconds the one has been due that waits longest, and how many
-- webhooks were switched off by their failures.
CREATE FUNCTION count_webhook_deliveries(OUT pending int8, OUT dead int8, OUT late float8, OUT disabled int8)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT (SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'),
                 (SELECT count(*) FROM webhook_deliveries WHERE state = 'dead'),
                 (SELECT coalesce(greatest(extract(epoch FROM now() - min(d.due_at)), 0), 0)
                  FROM webhook_deliveries d JOIN tenants t ON t.id = d.tenant AND t.state = 'active'
                  WHERE d.state = 'pending'),
                 (SELECT count(*) FROM webhooks WHERE disabled_reason IN ('failing', 'gone')) $$;

REVOKE ALL ON FUNCTION tenants_with_events(int4), take_webhook_deliveries(int8[], int4, int4, interval),
    count_webhook_deliveries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_with_events(int4), take_webhook_deliveries(int8[], int4, int4, interval),
    count_webhook_deliveries() TO tintype_app;
