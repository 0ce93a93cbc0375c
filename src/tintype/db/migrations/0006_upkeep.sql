-- What is done at its time, and what the upkeep of the store looks for.

-- A task that is due now and then, whatever happens to workers: when next, and how the last run went. No tenant has it:
-- each run goes through them all.
CREATE TABLE periodic_tasks (
    name text PRIMARY KEY,
    schedule text, -- as configured; null is off
    due_at timestamptz, -- by this clock alone
    job int8, -- the run that was enqueued last
    started_at timestamptz,
    ended_at timestamptz,
    succeeded_at timestamptz,
    outcome text CHECK (outcome IN ('done', 'error')),
    report jsonb -- counts of the last run that was done
);
GRANT SELECT, INSERT, UPDATE ON periodic_tasks TO tintype_app;

-- What upkeep needs to look at every tenant in turn: their ids, nothing else.
CREATE FUNCTION tenants_after(in_tenant int8, in_limit int4) RETURNS SETOF int8
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT id FROM tenants WHERE id > in_tenant ORDER BY id LIMIT in_limit $$;
REVOKE ALL ON FUNCTION tenants_after FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_after TO tintype_app;

-- The stubs that are left of purged images, by the time of their purge: the journal is compared with them.
CREATE INDEX images_purged ON images (tenant, purged_at, id) WHERE state = 'purged';
