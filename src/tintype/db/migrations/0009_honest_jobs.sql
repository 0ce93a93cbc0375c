-- Honest jobs: why one failed, which images lost theirs, and who renders a variant right now.

-- The reason of a job's latest failure, a stable code: the queue itself keeps none. It goes with its job.
CREATE TABLE job_failures (
    job int8 PRIMARY KEY REFERENCES procrastinate_jobs ON DELETE CASCADE,
    tenant int8 NOT NULL, -- 0 for what is no tenant's
    reason text NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE job_failures ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON job_failures USING (tenant = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON job_failures TO tintype_app;

-- A tenant's dead letters, newest first; the jobs of an image, for the sweep and for whoever
-- reprocesses it; the job of a variant, so that whoever asks for it meanwhile enqueues no other.
CREATE INDEX procrastinate_jobs_dead ON procrastinate_jobs ((coalesce(args ->> 'tenant', '')), id DESC)
    WHERE status = 'failed';
CREATE INDEX procrastinate_jobs_of_image ON procrastinate_jobs ((args ->> 'image')) WHERE task_name = 'process_image';
CREATE INDEX procrastinate_jobs_of_variant ON procrastinate_jobs ((args ->> 'variant')) WHERE task_name = 'make_variant';

-- Who is rendering a variant, for as long as the lease runs. Not logged: a claim need not outlive the server, and one
-- that is lost costs a render that somebody else makes, too.
CREATE UNLOGGED TABLE render_claims (
    bucket int2 NOT NULL,
    tenant int8 NOT NULL,
    sha256 bytea NOT NULL,
    digest text NOT NULL,
    holder uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, tenant, sha256, digest)
);
ALTER TABLE render_claims ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON render_claims USING (tenant = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON render_claims TO tintype_app;

-- Images that have been in work for a while and whose job is neither waiting nor running. A sweep has no tenant and asks
-- every shard; few images are in work at any time (images_processing).
CREATE FUNCTION lost_images(in_seconds float8, in_limit int4, OUT tenant int8, OUT id int8, OUT version int4)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT i.tenant, i.id, i.version FROM images i
          WHERE i.state = 'processing' AND i.updated_at < now() - make_interval(secs => in_seconds)
            AND NOT EXISTS (
                SELECT 1 FROM procrastinate_jobs j
                WHERE j.task_name = 'process_image' AND j.args ->> 'image' = i.id::text
                  AND j.args ->> 'version' = i.version::text AND j.status IN ('todo', 'doing'))
          ORDER BY i.updated_at LIMIT in_limit $$;

REVOKE ALL ON FUNCTION lost_images FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lost_images TO tintype_app;
