-- Uploads whose bytes do not come in the request that asks for them: reserved, received, then examined and committed.

SET LOCAL ROLE tintype_owner;
SET LOCAL search_path = tintype;

-- An upload has the id of the image that it becomes, and the secret that the image's public id will show: both in the
-- image's bucket. What it says of the image goes to the image's row when its bytes were examined.
CREATE TABLE uploads (
    bucket int2 NOT NULL,
    id int8 NOT NULL,
    tenant int8 NOT NULL,
    secret bytea NOT NULL CHECK (length(secret) = 8),
    owner int8, -- the account that asked for it
    created_by int8, -- the API key that did
    method text NOT NULL CHECK (method IN ('put', 'multipart', 'tus', 'url')),
    state text NOT NULL CHECK (
        state IN ('requested', 'receiving', 'received', 'committed', 'aborted', 'expired', 'rejected')
    ),
    state_reason text, -- why it was rejected: a stable code
    size int8 CHECK (size > 0), -- of the whole, as declared; null until it is known
    content_type text, -- as declared, a hint
    sha256 bytea CHECK (length(sha256) = 32), -- as declared
    filename text,
    received int8 NOT NULL DEFAULT 0, -- bytes that are durable in the store
    reserved int8 NOT NULL CHECK (reserved >= 0), -- bytes that are counted for it in `usage`, beside one image
    part_size int8, -- of each part but the last
    store_upload text, -- what a remote store calls its multipart upload
    kind text NOT NULL,
    title text,
    alt text,
    tags text[] NOT NULL DEFAULT '{}',
    visibility text NOT NULL,
    expires_in int8, -- seconds, of the image
    attached_type text,
    attached_id text,
    write_token_hash bytea,
    read_token_hash bytea,
    address text, -- of who asked for it, as far as that may be written down
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL, -- when it is given up unless all of it is there
    ended_at timestamptz, -- when it was committed, aborted, rejected or given up
    PRIMARY KEY (bucket, id)
);

-- What of an upload lies in the store: the parts of a multipart upload by their number, the segments of a resumable one
-- by their offset, the one object of a PUT as number 1. Without a SHA-256 it was written to the store by the client.
CREATE TABLE upload_parts (
    bucket int2 NOT NULL,
    upload int8 NOT NULL,
    number int8 NOT NULL CHECK (number >= 0),
    tenant int8 NOT NULL,
    size int8 NOT NULL CHECK (size >= 0),
    sha256 bytea CHECK (length(sha256) = 32),
    PRIMARY KEY (bucket, upload, number),
    FOREIGN KEY (bucket, upload) REFERENCES uploads ON DELETE CASCADE
);

CREATE INDEX uploads_open ON uploads (expires_at) WHERE state IN ('requested', 'receiving');
CREATE INDEX uploads_received ON uploads (updated_at) WHERE state = 'received';
CREATE INDEX uploads_ended ON uploads (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX uploads_holding ON uploads (tenant, owner) WHERE ended_at IS NULL;
CREATE INDEX uploads_of_owner ON uploads (tenant, owner, id) WHERE owner IS NOT NULL;

ALTER TABLE uploads ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON uploads USING (tenant = current_tenant());
ALTER TABLE upload_parts ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON upload_parts USING (tenant = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON uploads, upload_parts TO tintype_app;

-- Narrow look-ups of what has no tenant yet.

CREATE FUNCTION tenant_of_upload(in_bucket int2, in_id int8) RETURNS int8
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT tenant FROM uploads WHERE bucket = in_bucket AND id = in_id $$;

-- An image that is all there and not examined yet, or was refused then, is known by its upload alone.
CREATE OR REPLACE FUNCTION find_image_tenant(
    in_bucket int2, in_id int8, in_secret bytea, OUT tenant int8, OUT suspended boolean
)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT found.tenant, coalesce(t.state = 'suspended', false)
          FROM (SELECT i.tenant FROM images i
                WHERE i.bucket = in_bucket AND i.id = in_id AND i.secret = in_secret
                UNION ALL
                SELECT u.tenant FROM uploads u
                WHERE u.bucket = in_bucket AND u.id = in_id AND u.secret = in_secret
                  AND u.state IN ('received', 'rejected')
                LIMIT 1) AS found
          LEFT JOIN tenants t ON t.id = found.tenant $$;

-- Sweeps, across buckets and tenants: each row is over by its own time alone.

CREATE FUNCTION overdue_uploads(in_limit int4, OUT tenant int8, OUT id int8) RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT u.tenant, u.id FROM uploads u
          WHERE u.state IN ('requested', 'receiving') AND u.expires_at <= now()
          ORDER BY u.expires_at LIMIT in_limit $$;

-- Uploads that are all there and that nobody examines: their job was lost with a restored backup, or by a fault.
CREATE FUNCTION lost_uploads(in_seconds float8, in_limit int4, OUT tenant int8, OUT id int8) RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT u.tenant, u.id FROM uploads u
          WHERE u.state = 'received' AND u.updated_at < now() - make_interval(secs => in_seconds)
            AND NOT EXISTS (
                SELECT 1 FROM procrastinate_jobs j
                WHERE j.task_name = 'examine_upload' AND j.args ->> 'upload' = u.id::text)
          ORDER BY u.updated_at LIMIT in_limit $$;

CREATE INDEX procrastinate_jobs_of_upload ON procrastinate_jobs ((args ->> 'upload'))
    WHERE task_name = 'examine_upload';

CREATE FUNCTION sweep_uploads(in_days int4, in_limit int4) RETURNS int8
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$
        WITH over AS (
            SELECT bucket, id FROM uploads WHERE ended_at < now() - make_interval(days => in_days)
            ORDER BY ended_at LIMIT in_limit FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM uploads u USING over WHERE u.bucket = over.bucket AND u.id = over.id RETURNING 1
        )
        SELECT count(*) FROM gone
    $$;

REVOKE ALL ON FUNCTION tenant_of_upload(int2, int8), overdue_uploads(int4), lost_uploads(float8, int4),
    sweep_uploads(int4, int4) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_of_upload(int2, int8), overdue_uploads(int4), lost_uploads(float8, int4),
    sweep_uploads(int4, int4) TO tintype_app;
