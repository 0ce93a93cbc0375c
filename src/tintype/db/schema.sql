-- What the migrations make, for reading: written by tests/schema_dump.py, compared by a test. Do not edit.

CREATE SCHEMA tintype;

ALTER SCHEMA tintype OWNER TO tintype_owner;

CREATE TYPE tintype.procrastinate_job_event_type AS ENUM (
    'deferred',
    'started',
    'deferred_for_retry',
    'failed',
    'succeeded',
    'cancelled',
    'abort_requested',
    'aborted',
    'scheduled',
    'retried'
);

ALTER TYPE tintype.procrastinate_job_event_type OWNER TO tintype_owner;

CREATE TYPE tintype.procrastinate_job_status AS ENUM (
    'todo',
    'doing',
    'succeeded',
    'failed',
    'cancelled',
    'aborting',
    'aborted'
);

ALTER TYPE tintype.procrastinate_job_status OWNER TO tintype_owner;

CREATE TYPE tintype.procrastinate_job_to_defer_v1 AS (
	queue_name character varying,
	task_name character varying,
	priority integer,
	lock text,
	queueing_lock text,
	args jsonb,
	scheduled_at timestamp with time zone
);

ALTER TYPE tintype.procrastinate_job_to_defer_v1 OWNER TO tintype_owner;

CREATE FUNCTION tintype.add_to_account(in_tenant bigint, in_account bigint, in_bytes bigint, in_images bigint, most_bytes bigint, most_images bigint) RETURNS void
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

ALTER FUNCTION tintype.add_to_account(in_tenant bigint, in_account bigint, in_bytes bigint, in_images bigint, most_bytes bigint, most_images bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.add_to_tenant(in_tenant bigint, in_slot smallint, in_slots smallint, in_bytes bigint, in_images bigint, in_max_bytes bigint, in_max_images bigint) RETURNS void
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

ALTER FUNCTION tintype.add_to_tenant(in_tenant bigint, in_slot smallint, in_slots smallint, in_bytes bigint, in_images bigint, in_max_bytes bigint, in_max_images bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.append_to_audit_log(in_action text, in_result text, in_via text, in_actor bigint, in_key bigint, in_address text, in_account bigint, in_object text, in_detail jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tintype', 'pg_temp'
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

ALTER FUNCTION tintype.append_to_audit_log(in_action text, in_result text, in_via text, in_actor bigint, in_key bigint, in_address text, in_account bigint, in_object text, in_detail jsonb) OWNER TO tintype_owner;

CREATE FUNCTION tintype.audit_id(in_moment timestamp with time zone) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT greatest(0, least(2251799813685247, (extract(epoch FROM in_moment) * 1000000)::int8 - 1767225600000000))
                 << 12 $$;

ALTER FUNCTION tintype.audit_id(in_moment timestamp with time zone) OWNER TO tintype_owner;

CREATE FUNCTION tintype.correct_usage(in_tenant bigint, in_account bigint, in_bytes bigint, in_images bigint) RETURNS void
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

ALTER FUNCTION tintype.correct_usage(in_tenant bigint, in_account bigint, in_bytes bigint, in_images bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.count_usage(in_tenant bigint, in_account bigint, in_slot smallint, in_slots smallint, in_bytes bigint, in_images bigint, in_uploads bigint, in_bytes_in bigint, in_deletes bigint, in_tenant_bytes bigint, in_tenant_images bigint, in_account_bytes bigint, in_account_images bigint) RETURNS void
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

ALTER FUNCTION tintype.count_usage(in_tenant bigint, in_account bigint, in_slot smallint, in_slots smallint, in_bytes bigint, in_images bigint, in_uploads bigint, in_bytes_in bigint, in_deletes bigint, in_tenant_bytes bigint, in_tenant_images bigint, in_account_bytes bigint, in_account_images bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.count_webhook_deliveries(OUT pending bigint, OUT dead bigint, OUT late double precision, OUT disabled bigint) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT (SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'),
                 (SELECT count(*) FROM webhook_deliveries WHERE state = 'dead'),
                 (SELECT coalesce(greatest(extract(epoch FROM now() - min(d.due_at)), 0), 0)
                  FROM webhook_deliveries d JOIN tenants t ON t.id = d.tenant AND t.state = 'active'
                  WHERE d.state = 'pending'),
                 (SELECT count(*) FROM webhooks WHERE disabled_reason IN ('failing', 'gone')) $$;

ALTER FUNCTION tintype.count_webhook_deliveries(OUT pending bigint, OUT dead bigint, OUT late double precision, OUT disabled bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.current_tenant() RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.tenant', true), '')::int8 $$;

ALTER FUNCTION tintype.current_tenant() OWNER TO tintype_owner;

CREATE FUNCTION tintype.expired_before(in_time timestamp with time zone, in_after timestamp with time zone, in_after_id bigint, in_limit integer) RETURNS TABLE(tenant bigint, id bigint, since timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT i.tenant, i.id, i.expires_at FROM images i
          WHERE i.expires_at <= in_time AND (i.expires_at, i.id) > (in_after, in_after_id) AND NOT i.hold
          ORDER BY i.expires_at, i.id LIMIT in_limit $$;

ALTER FUNCTION tintype.expired_before(in_time timestamp with time zone, in_after timestamp with time zone, in_after_id bigint, in_limit integer) OWNER TO tintype_owner;

CREATE FUNCTION tintype.find_api_key(in_id bigint, OUT tenant bigint, OUT secret_hash bytea) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT tenant, secret_hash FROM api_keys
          WHERE id = in_id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) $$;

ALTER FUNCTION tintype.find_api_key(in_id bigint, OUT tenant bigint, OUT secret_hash bytea) OWNER TO tintype_owner;

CREATE FUNCTION tintype.find_image_tenant(in_bucket smallint, in_id bigint, in_secret bytea, OUT tenant bigint, OUT suspended boolean) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT found.tenant, coalesce(t.state = 'suspended', false)
          FROM (SELECT i.tenant FROM images i
                WHERE i.bucket = in_bucket AND i.id = in_id AND i.secret = in_secret
                UNION ALL
                SELECT u.tenant FROM uploads u
                WHERE u.bucket = in_bucket AND u.id = in_id AND u.secret = in_secret
                  AND u.state IN ('received', 'rejected')
                LIMIT 1) AS found
          LEFT JOIN tenants t ON t.id = found.tenant $$;

ALTER FUNCTION tintype.find_image_tenant(in_bucket smallint, in_id bigint, in_secret bytea, OUT tenant bigint, OUT suspended boolean) OWNER TO tintype_owner;

CREATE FUNCTION tintype.find_key(in_id bigint, OUT tenant bigint, OUT secret_hash bytea, OUT scopes text[], OUT account bigint, OUT role text, OUT suspended boolean) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT k.tenant, k.secret_hash, k.scopes, k.account, coalesce(a.role, 'member'),
                 coalesce(a.state <> 'active', k.account IS NOT NULL)
          FROM api_keys k
          LEFT JOIN accounts a ON a.bucket = (k.account >> 9 & 8191)::int2 AND a.id = k.account
          WHERE k.id = in_id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) $$;

ALTER FUNCTION tintype.find_key(in_id bigint, OUT tenant bigint, OUT secret_hash bytea, OUT scopes text[], OUT account bigint, OUT role text, OUT suspended boolean) OWNER TO tintype_owner;

CREATE FUNCTION tintype.find_session(in_bucket smallint, in_id bigint, OUT tenant bigint, OUT account bigint, OUT secret_hash bytea, OUT role text, OUT suspended boolean, OUT stale boolean) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT s.tenant, s.account, s.secret_hash, a.role, a.state <> 'active',
                 s.seen_at < now() - interval '10 minutes'
          FROM sessions s JOIN accounts a ON a.bucket = s.bucket AND a.id = s.account
          WHERE s.bucket = in_bucket AND s.id = in_id AND s.expires_at > now() AND a.state <> 'deleted' $$;

ALTER FUNCTION tintype.find_session(in_bucket smallint, in_id bigint, OUT tenant bigint, OUT account bigint, OUT secret_hash bytea, OUT role text, OUT suspended boolean, OUT stale boolean) OWNER TO tintype_owner;

CREATE FUNCTION tintype.forget_audit_entries(in_before timestamp with time zone, in_limit integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
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

ALTER FUNCTION tintype.forget_audit_entries(in_before timestamp with time zone, in_limit integer) OWNER TO tintype_owner;

CREATE FUNCTION tintype.image_words(title text, alt text, tags text[]) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT to_tsvector('pg_catalog.simple',
              coalesce(title, '') || ' ' || coalesce(alt, '') || ' ' || array_to_string(tags, ' ')) $$;

ALTER FUNCTION tintype.image_words(title text, alt text, tags text[]) OWNER TO tintype_owner;

CREATE FUNCTION tintype.is_heard(in_type text) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT EXISTS (SELECT FROM webhooks
                         WHERE tenant = current_tenant() AND enabled AND events && ARRAY['*', in_type]) $$;

ALTER FUNCTION tintype.is_heard(in_type text) OWNER TO tintype_owner;

CREATE FUNCTION tintype.lost_images(in_seconds double precision, in_limit integer, OUT tenant bigint, OUT id bigint, OUT version integer) RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT i.tenant, i.id, i.version FROM images i
          WHERE i.state = 'processing' AND i.updated_at < now() - make_interval(secs => in_seconds)
            AND NOT EXISTS (
                SELECT 1 FROM procrastinate_jobs j
                WHERE j.task_name = 'process_image' AND j.args ->> 'image' = i.id::text
                  AND j.args ->> 'version' = i.version::text AND j.status IN ('todo', 'doing'))
          ORDER BY i.updated_at LIMIT in_limit $$;

ALTER FUNCTION tintype.lost_images(in_seconds double precision, in_limit integer, OUT tenant bigint, OUT id bigint, OUT version integer) OWNER TO tintype_owner;

CREATE FUNCTION tintype.lost_uploads(in_seconds double precision, in_limit integer, OUT tenant bigint, OUT id bigint) RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT u.tenant, u.id FROM uploads u
          WHERE u.state = 'received' AND u.updated_at < now() - make_interval(secs => in_seconds)
            AND NOT EXISTS (
                SELECT 1 FROM procrastinate_jobs j
                WHERE j.task_name = 'examine_upload' AND j.args ->> 'upload' = u.id::text)
          ORDER BY u.updated_at LIMIT in_limit $$;

ALTER FUNCTION tintype.lost_uploads(in_seconds double precision, in_limit integer, OUT tenant bigint, OUT id bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.overdue_uploads(in_limit integer, OUT tenant bigint, OUT id bigint) RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT u.tenant, u.id FROM uploads u
          WHERE u.state IN ('requested', 'receiving') AND u.expires_at <= now()
          ORDER BY u.expires_at LIMIT in_limit $$;

ALTER FUNCTION tintype.overdue_uploads(in_limit integer, OUT tenant bigint, OUT id bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_cancel_job_v1(job_id bigint, abort boolean, delete_job boolean) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status = 'todo'
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        IF abort THEN
            UPDATE procrastinate_jobs
            SET abort_requested = true,
                status = CASE status
                    WHEN 'todo' THEN 'cancelled'::procrastinate_job_status ELSE status
                END
            WHERE id = job_id AND status IN ('todo', 'doing')
            RETURNING id INTO _job_id;
        ELSE
            UPDATE procrastinate_jobs
            SET status = 'cancelled'::procrastinate_job_status
            WHERE id = job_id AND status = 'todo'
            RETURNING id INTO _job_id;
        END IF;
    END IF;
    RETURN _job_id;
END;
$$;

ALTER FUNCTION tintype.procrastinate_cancel_job_v1(job_id bigint, abort boolean, delete_job boolean) OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_defer_jobs_v1(jobs tintype.procrastinate_job_to_defer_v1[]) RETURNS bigint[]
    LANGUAGE plpgsql
    AS $$
DECLARE
    job_ids bigint[];
BEGIN
    WITH inserted_jobs AS (
        INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
        SELECT (job).queue_name,
               (job).task_name,
               (job).priority,
               (job).lock,
               (job).queueing_lock,
               (job).args,
               (job).scheduled_at
        FROM unnest(jobs) AS job
        RETURNING id
    )
    SELECT array_agg(id) FROM inserted_jobs INTO job_ids;

    RETURN job_ids;
END;
$$;

ALTER FUNCTION tintype.procrastinate_defer_jobs_v1(jobs tintype.procrastinate_job_to_defer_v1[]) OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_defer_periodic_job_v2(_queue_name character varying, _lock character varying, _queueing_lock character varying, _task_name character varying, _priority integer, _periodic_id character varying, _defer_timestamp bigint, _args jsonb) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
	_job_id bigint;
	_defer_id bigint;
BEGIN
    INSERT
        INTO procrastinate_periodic_defers (task_name, periodic_id, defer_timestamp)
        VALUES (_task_name, _periodic_id, _defer_timestamp)
        ON CONFLICT DO NOTHING
        RETURNING id into _defer_id;

    IF _defer_id IS NULL THEN
        RETURN NULL;
    END IF;

    UPDATE procrastinate_periodic_defers
        SET job_id = (
            SELECT COALESCE((
                SELECT unnest(procrastinate_defer_jobs_v1(
                    ARRAY[
                        ROW(
                            _queue_name,
                            _task_name,
                            _priority,
                            _lock,
                            _queueing_lock,
                            _args,
                            NULL::timestamptz
                        )
                    ]::procrastinate_job_to_defer_v1[]
                ))
            ), NULL)
        )
        WHERE id = _defer_id
        RETURNING job_id INTO _job_id;

    DELETE
        FROM procrastinate_periodic_defers
        USING (
            SELECT id
            FROM procrastinate_periodic_defers
            WHERE procrastinate_periodic_defers.task_name = _task_name
            AND procrastinate_periodic_defers.periodic_id = _periodic_id
            AND procrastinate_periodic_defers.defer_timestamp < _defer_timestamp
            ORDER BY id
            FOR UPDATE
        ) to_delete
        WHERE procrastinate_periodic_defers.id = to_delete.id;

    RETURN _job_id;
END;
$$;

ALTER FUNCTION tintype.procrastinate_defer_periodic_job_v2(_queue_name character varying, _lock character varying, _queueing_lock character varying, _task_name character varying, _priority integer, _periodic_id character varying, _defer_timestamp bigint, _args jsonb) OWNER TO tintype_owner;

CREATE TABLE tintype.procrastinate_jobs (
    id bigint NOT NULL,
    queue_name character varying(128) NOT NULL,
    task_name character varying(128) NOT NULL,
    lock text,
    args jsonb DEFAULT '{}'::jsonb NOT NULL,
    status tintype.procrastinate_job_status DEFAULT 'todo'::tintype.procrastinate_job_status NOT NULL,
    scheduled_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    queueing_lock text,
    priority integer DEFAULT 0 NOT NULL,
    abort_requested boolean DEFAULT false NOT NULL,
    worker_id bigint,
    CONSTRAINT check_not_todo_abort_requested CHECK ((NOT ((status = 'todo'::tintype.procrastinate_job_status) AND (abort_requested = true))))
);

ALTER TABLE tintype.procrastinate_jobs OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_fetch_job_v2(target_queue_names character varying[], p_worker_id bigint) RETURNS tintype.procrastinate_jobs
    LANGUAGE plpgsql
    AS $$
DECLARE
	found_jobs procrastinate_jobs;
BEGIN
    WITH candidate AS (
        SELECT jobs.*
            FROM procrastinate_jobs AS jobs
            WHERE
                -- reject the job if its lock has earlier or higher priority jobs
                NOT EXISTS (
                    SELECT 1
                        FROM procrastinate_jobs AS other_jobs
                        WHERE
                            jobs.lock IS NOT NULL
                            AND other_jobs.lock = jobs.lock
                            AND (
                                -- job with same lock is already running
                                other_jobs.status = 'doing'
                                OR
                                -- job with same lock is waiting and has higher priority (or same priority but was queued first)
                                (
                                    other_jobs.status = 'todo'
                                    AND (
                                        other_jobs.priority > jobs.priority
                                        OR (
                                        other_jobs.priority = jobs.priority
                                        AND other_jobs.id < jobs.id
                                        )
                                    )
                                )
                            )
                )
                AND jobs.status = 'todo'
                AND (target_queue_names IS NULL OR jobs.queue_name = ANY( target_queue_names ))
                AND (jobs.scheduled_at IS NULL OR jobs.scheduled_at <= now())
            ORDER BY jobs.priority DESC, jobs.id ASC LIMIT 1
            FOR UPDATE OF jobs SKIP LOCKED
    )
    UPDATE procrastinate_jobs
        SET status = 'doing', worker_id = p_worker_id
        FROM candidate
        WHERE procrastinate_jobs.id = candidate.id
        RETURNING procrastinate_jobs.* INTO found_jobs;

 RETURN found_jobs;
END;
$$;

ALTER FUNCTION tintype.procrastinate_fetch_job_v2(target_queue_names character varying[], p_worker_id bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_finish_job_v1(job_id bigint, end_status tintype.procrastinate_job_status, delete_job boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF end_status NOT IN ('succeeded', 'failed', 'aborted') THEN
        RAISE 'End status should be either "succeeded", "failed" or "aborted" (job id: %)', job_id;
    END IF;
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = end_status,
            abort_requested = false,
            attempts = CASE status
                WHEN 'doing' THEN attempts + 1 ELSE attempts
            END
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" or "todo" status (job id: %)', job_id;
    END IF;
END;
$$;

ALTER FUNCTION tintype.procrastinate_finish_job_v1(job_id bigint, end_status tintype.procrastinate_job_status, delete_job boolean) OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_notify_queue_abort_job_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'abort_job_requested', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;

ALTER FUNCTION tintype.procrastinate_notify_queue_abort_job_v1() OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_notify_queue_job_inserted_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'job_inserted', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;

ALTER FUNCTION tintype.procrastinate_notify_queue_job_inserted_v1() OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_prune_stalled_workers_v1(seconds_since_heartbeat double precision) RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    DELETE FROM procrastinate_workers
    WHERE last_heartbeat < NOW() - (seconds_since_heartbeat || 'SECOND')::INTERVAL
    RETURNING procrastinate_workers.id;
END;
$$;

ALTER FUNCTION tintype.procrastinate_prune_stalled_workers_v1(seconds_since_heartbeat double precision) OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_register_worker_v1() RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    INSERT INTO procrastinate_workers DEFAULT VALUES
    RETURNING procrastinate_workers.id;
END;
$$;

ALTER FUNCTION tintype.procrastinate_register_worker_v1() OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_retry_job_v1(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
BEGIN
    SELECT abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status = 'doing'
    FOR UPDATE
    INTO _abort_requested;
    IF _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" status (job id: %)', job_id;
    END IF;
END;
$$;

ALTER FUNCTION tintype.procrastinate_retry_job_v1(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_retry_job_v2(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
    _current_status procrastinate_job_status;
BEGIN
    SELECT status, abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status IN ('doing', 'failed')
    FOR UPDATE
    INTO _current_status, _abort_requested;
    IF _current_status = 'doing' AND _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status IN ('doing', 'failed')
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or has an invalid status to retry (job id: %)', job_id;
    END IF;

END;
$$;

ALTER FUNCTION tintype.procrastinate_retry_job_v2(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_trigger_abort_requested_events_procedure_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'abort_requested'::procrastinate_job_event_type);
    RETURN NEW;
END;
$$;

ALTER FUNCTION tintype.procrastinate_trigger_abort_requested_events_procedure_v1() OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_trigger_function_scheduled_events_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type, at)
        VALUES (NEW.id, 'scheduled'::procrastinate_job_event_type, NEW.scheduled_at);

	RETURN NEW;
END;
$$;

ALTER FUNCTION tintype.procrastinate_trigger_function_scheduled_events_v1() OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_trigger_function_status_events_insert_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'deferred'::procrastinate_job_event_type);
	RETURN NEW;
END;
$$;

ALTER FUNCTION tintype.procrastinate_trigger_function_status_events_insert_v1() OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_trigger_function_status_events_update_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    WITH t AS (
        SELECT CASE
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND NEW.status = 'doing'::procrastinate_job_status
                THEN 'started'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'deferred_for_retry'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'failed'::procrastinate_job_status
                THEN 'failed'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'succeeded'::procrastinate_job_status
                THEN 'succeeded'::procrastinate_job_event_type
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND (
                    NEW.status = 'cancelled'::procrastinate_job_status
                    OR NEW.status = 'failed'::procrastinate_job_status
                    OR NEW.status = 'succeeded'::procrastinate_job_status
                )
                THEN 'cancelled'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'aborted'::procrastinate_job_status
                THEN 'aborted'::procrastinate_job_event_type
            WHEN OLD.status = 'failed'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'retried'::procrastinate_job_event_type
            ELSE NULL
        END as event_type
    )
    INSERT INTO procrastinate_events(job_id, type)
        SELECT NEW.id, t.event_type
        FROM t
        WHERE t.event_type IS NOT NULL;
	RETURN NEW;
END;
$$;

ALTER FUNCTION tintype.procrastinate_trigger_function_status_events_update_v1() OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_unlink_periodic_defers_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_periodic_defers
    SET job_id = NULL
    WHERE job_id = OLD.id;
    RETURN OLD;
END;
$$;

ALTER FUNCTION tintype.procrastinate_unlink_periodic_defers_v1() OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_unregister_worker_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM procrastinate_workers
    WHERE id = worker_id;
END;
$$;

ALTER FUNCTION tintype.procrastinate_unregister_worker_v1(worker_id bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.procrastinate_update_heartbeat_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_workers
    SET last_heartbeat = NOW()
    WHERE id = worker_id;
END;
$$;

ALTER FUNCTION tintype.procrastinate_update_heartbeat_v1(worker_id bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.quota_of(in_tenant bigint, in_account bigint, in_bytes bigint, in_images bigint, OUT max_bytes bigint, OUT max_images bigint) RETURNS record
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

ALTER FUNCTION tintype.quota_of(in_tenant bigint, in_account bigint, in_bytes bigint, in_images bigint, OUT max_bytes bigint, OUT max_images bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.refuse_quota(in_account bigint, in_what text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'quota.exceeded' USING
        ERRCODE = 'raise_exception',
        DETAIL = in_what,
        HINT = CASE WHEN in_account = 0 THEN 'tenant' ELSE 'account' END;
END $$;

ALTER FUNCTION tintype.refuse_quota(in_account bigint, in_what text) OWNER TO tintype_owner;

CREATE FUNCTION tintype.search_images(in_words text, in_kind text, in_state text, in_source bytea, in_attached_type text, in_attached_id text, in_before bigint, in_limit integer) RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $_$
DECLARE
    newest CONSTANT int4 := 1000;
    wanted tsquery := plainto_tsquery('pg_catalog.simple', in_words);
    matches CONSTANT text :=
        'image_words(title, alt, tags) @@ $2
             AND ($4 IS NULL OR kind = $4) AND ($5 IS NULL OR source_sha256 = $5)
             AND ($6 IS NULL OR (attached_type = $6 AND attached_id = $7))
             AND (expires_at IS NULL OR expires_at > now())';
    candidates CONSTANT text :=
        'tenant = $1 AND state <> ''purged'' AND id < $8
             AND CASE WHEN $3 IS NULL THEN state <> ''trashed'' ELSE state = $3 END';
    found int8[];
BEGIN
    IF numnode(wanted) = 0 THEN
        RETURN;
    END IF;
    wanted := (wanted::text || ':*')::tsquery;
    EXECUTE 'SELECT array_agg(id) FROM (SELECT id FROM (
                 SELECT * FROM images WHERE ' || candidates || ' ORDER BY id DESC LIMIT $10) AS new
             WHERE ' || matches || ' ORDER BY id DESC LIMIT $9) AS page'
        INTO found
        USING current_tenant(), wanted, in_state, in_kind, in_source, in_attached_type, in_attached_id, in_before,
              in_limit, newest;
    IF cardinality(found) = in_limit THEN
        RETURN QUERY SELECT unnest(found);
        RETURN;
    END IF;
    RETURN QUERY EXECUTE 'WITH hits AS MATERIALIZED (
                 SELECT id FROM images WHERE ' || candidates || ' AND ' || matches || '
                     AND (title IS NOT NULL OR alt IS NOT NULL OR tags <> ''{}''))
             SELECT id FROM hits ORDER BY id DESC LIMIT $9'
        USING current_tenant(), wanted, in_state, in_kind, in_source, in_attached_type, in_attached_id, in_before,
              in_limit;
END $_$;

ALTER FUNCTION tintype.search_images(in_words text, in_kind text, in_state text, in_source bytea, in_attached_type text, in_attached_id text, in_before bigint, in_limit integer) OWNER TO tintype_owner;

CREATE FUNCTION tintype.search_images(in_words text, in_kind text, in_state text, in_source bytea, in_attached_type text, in_attached_id text, in_before bigint, in_limit integer, in_owner bigint) RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $_$
DECLARE
    newest CONSTANT int4 := 1000;
    wanted tsquery := plainto_tsquery('pg_catalog.simple', in_words);
    matches CONSTANT text :=
        'image_words(title, alt, tags) @@ $2
             AND ($4 IS NULL OR kind = $4) AND ($5 IS NULL OR source_sha256 = $5)
             AND ($6 IS NULL OR (attached_type = $6 AND attached_id = $7))
             AND (expires_at IS NULL OR expires_at > now())';
    candidates CONSTANT text :=
        'tenant = $1 AND state <> ''purged'' AND id < $8
             AND CASE WHEN $3 IS NULL THEN state <> ''trashed'' ELSE state = $3 END
             AND ($11 IS NULL OR owner = $11)';
    found int8[];
BEGIN
    IF numnode(wanted) = 0 THEN
        RETURN;
    END IF;
    wanted := (wanted::text || ':*')::tsquery;
    EXECUTE 'SELECT array_agg(id) FROM (SELECT id FROM (
                 SELECT * FROM images WHERE ' || candidates || ' ORDER BY id DESC LIMIT $10) AS new
             WHERE ' || matches || ' ORDER BY id DESC LIMIT $9) AS page'
        INTO found
        USING current_tenant(), wanted, in_state, in_kind, in_source, in_attached_type, in_attached_id, in_before,
              in_limit, newest, in_owner;
    IF cardinality(found) = in_limit THEN
        RETURN QUERY SELECT unnest(found);
        RETURN;
    END IF;
    RETURN QUERY EXECUTE 'WITH hits AS MATERIALIZED (
                 SELECT id FROM images WHERE ' || candidates || ' AND ' || matches || '
                     AND (title IS NOT NULL OR alt IS NOT NULL OR tags <> ''{}''))
             SELECT id FROM hits ORDER BY id DESC LIMIT $9'
        USING current_tenant(), wanted, in_state, in_kind, in_source, in_attached_type, in_attached_id, in_before,
              in_limit, newest, in_owner;
END $_$;

ALTER FUNCTION tintype.search_images(in_words text, in_kind text, in_state text, in_source bytea, in_attached_type text, in_attached_id text, in_before bigint, in_limit integer, in_owner bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.share_out(in_tenant bigint, in_slot smallint, in_slots smallint, in_bytes bigint, in_images bigint, in_max_bytes bigint, in_max_images bigint) RETURNS void
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

ALTER FUNCTION tintype.share_out(in_tenant bigint, in_slot smallint, in_slots smallint, in_bytes bigint, in_images bigint, in_max_bytes bigint, in_max_images bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.sweep_challenges() RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$
        WITH gone AS (DELETE FROM challenges WHERE expires_at < now() RETURNING 1)
        SELECT count(*) FROM gone
    $$;

ALTER FUNCTION tintype.sweep_challenges() OWNER TO tintype_owner;

CREATE FUNCTION tintype.sweep_idempotency_keys(in_limit integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
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

ALTER FUNCTION tintype.sweep_idempotency_keys(in_limit integer) OWNER TO tintype_owner;

CREATE FUNCTION tintype.sweep_mails(in_limit integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$
        WITH over AS (
            SELECT bucket, id FROM mails WHERE expires_at < now() ORDER BY expires_at LIMIT in_limit
            FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM mails m USING over WHERE m.bucket = over.bucket AND m.id = over.id RETURNING 1
        )
        SELECT count(*) FROM gone
    $$;

ALTER FUNCTION tintype.sweep_mails(in_limit integer) OWNER TO tintype_owner;

CREATE FUNCTION tintype.sweep_rate_buckets() RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$
        WITH gone AS (
            DELETE FROM rate_buckets
            WHERE at + make_interval(secs => (burst - tokens) / rate) < clock_timestamp() RETURNING 1
        )
        SELECT count(*) FROM gone
    $$;

ALTER FUNCTION tintype.sweep_rate_buckets() OWNER TO tintype_owner;

CREATE FUNCTION tintype.sweep_sessions(in_limit integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$
        WITH over AS (
            SELECT bucket, id FROM sessions WHERE expires_at < now() ORDER BY expires_at LIMIT in_limit
            FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM sessions s USING over WHERE s.bucket = over.bucket AND s.id = over.id RETURNING 1
        )
        SELECT count(*) FROM gone
    $$;

ALTER FUNCTION tintype.sweep_sessions(in_limit integer) OWNER TO tintype_owner;

CREATE FUNCTION tintype.sweep_setup_links() RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ WITH gone AS (DELETE FROM setup_links WHERE expires_at < now() RETURNING 1) SELECT count(*) FROM gone $$;

ALTER FUNCTION tintype.sweep_setup_links() OWNER TO tintype_owner;

CREATE FUNCTION tintype.sweep_uploads(in_days integer, in_limit integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$
        WITH over AS (
            SELECT bucket, id FROM uploads WHERE ended_at < now() - make_interval(days => in_days)
            ORDER BY ended_at LIMIT in_limit FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM uploads u USING over WHERE u.bucket = over.bucket AND u.id = over.id RETURNING 1
        )
        SELECT count(*) FROM gone
    $$;

ALTER FUNCTION tintype.sweep_uploads(in_days integer, in_limit integer) OWNER TO tintype_owner;

CREATE FUNCTION tintype.take_from_slot(in_tenant bigint, in_slot smallint, in_bytes bigint, in_images bigint) RETURNS void
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

ALTER FUNCTION tintype.take_from_slot(in_tenant bigint, in_slot smallint, in_bytes bigint, in_images bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.take_tokens(in_tenant bigint, in_buckets smallint[], in_subjects text[], in_bursts double precision[], in_rates double precision[], in_costs double precision[], in_spent boolean) RETURNS double precision[]
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
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

ALTER FUNCTION tintype.take_tokens(in_tenant bigint, in_buckets smallint[], in_subjects text[], in_bursts double precision[], in_rates double precision[], in_costs double precision[], in_spent boolean) OWNER TO tintype_owner;

CREATE FUNCTION tintype.take_webhook_deliveries(in_busy bigint[], in_limit integer, in_each integer, in_lease interval) RETURNS TABLE(tenant bigint, webhook bigint, event bigint, attempt integer)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
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

ALTER FUNCTION tintype.take_webhook_deliveries(in_busy bigint[], in_limit integer, in_each integer, in_lease interval) OWNER TO tintype_owner;

CREATE FUNCTION tintype.tell(in_type text, in_bucket smallint, in_image bigint, in_told jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tintype', 'pg_temp'
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

ALTER FUNCTION tintype.tell(in_type text, in_bucket smallint, in_image bigint, in_told jsonb) OWNER TO tintype_owner;

CREATE FUNCTION tintype.tell_of_image(in_type text, in_bucket smallint, in_image bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tintype', 'pg_temp'
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

ALTER FUNCTION tintype.tell_of_image(in_type text, in_bucket smallint, in_image bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.tell_of_upload(in_type text, in_bucket smallint, in_upload bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'tintype', 'pg_temp'
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

ALTER FUNCTION tintype.tell_of_upload(in_type text, in_bucket smallint, in_upload bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.tenant_by_slug(in_slug text) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT id FROM tenants WHERE slug = in_slug $$;

ALTER FUNCTION tintype.tenant_by_slug(in_slug text) OWNER TO tintype_owner;

CREATE FUNCTION tintype.tenant_of_deletion(in_bucket smallint, in_account bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT tenant FROM account_deletions WHERE bucket = in_bucket AND account = in_account $$;

ALTER FUNCTION tintype.tenant_of_deletion(in_bucket smallint, in_account bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.tenant_of_host(in_host text) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT coalesce((SELECT tenant FROM hostnames WHERE host = in_host),
                          (SELECT id FROM tenants WHERE slug = 'default')) $$;

ALTER FUNCTION tintype.tenant_of_host(in_host text) OWNER TO tintype_owner;

CREATE FUNCTION tintype.tenant_of_image(in_bucket smallint, in_id bigint, in_secret bytea) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT tenant FROM images WHERE bucket = in_bucket AND id = in_id AND secret = in_secret $$;

ALTER FUNCTION tintype.tenant_of_image(in_bucket smallint, in_id bigint, in_secret bytea) OWNER TO tintype_owner;

CREATE FUNCTION tintype.tenant_of_mail(in_bucket smallint, in_id bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT tenant FROM mails WHERE bucket = in_bucket AND id = in_id $$;

ALTER FUNCTION tintype.tenant_of_mail(in_bucket smallint, in_id bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.tenant_of_setup_link(in_id bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT tenant FROM setup_links WHERE id = in_id $$;

ALTER FUNCTION tintype.tenant_of_setup_link(in_id bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.tenant_of_upload(in_bucket smallint, in_id bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT tenant FROM uploads WHERE bucket = in_bucket AND id = in_id $$;

ALTER FUNCTION tintype.tenant_of_upload(in_bucket smallint, in_id bigint) OWNER TO tintype_owner;

CREATE FUNCTION tintype.tenants_after(in_tenant bigint, in_limit integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT id FROM tenants WHERE id > in_tenant ORDER BY id LIMIT in_limit $$;

ALTER FUNCTION tintype.tenants_after(in_tenant bigint, in_limit integer) OWNER TO tintype_owner;

CREATE FUNCTION tintype.tenants_before(in_tenant bigint, in_limit integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT id FROM tenants WHERE id < in_tenant ORDER BY id DESC LIMIT in_limit $$;

ALTER FUNCTION tintype.tenants_before(in_tenant bigint, in_limit integer) OWNER TO tintype_owner;

CREATE FUNCTION tintype.tenants_with_events(in_limit integer) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT DISTINCT tenant FROM (SELECT tenant FROM outbox LIMIT in_limit) AS waiting $$;

ALTER FUNCTION tintype.tenants_with_events(in_limit integer) OWNER TO tintype_owner;

CREATE FUNCTION tintype.trashed_before(in_time timestamp with time zone, in_after timestamp with time zone, in_after_id bigint, in_limit integer) RETURNS TABLE(tenant bigint, id bigint, since timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'tintype', 'pg_temp'
    AS $$ SELECT i.tenant, i.id, i.trashed_at FROM images i
          WHERE i.trashed_at <= in_time AND (i.trashed_at, i.id) > (in_after, in_after_id) AND NOT i.hold
          ORDER BY i.trashed_at, i.id LIMIT in_limit $$;

ALTER FUNCTION tintype.trashed_before(in_time timestamp with time zone, in_after timestamp with time zone, in_after_id bigint, in_limit integer) OWNER TO tintype_owner;

CREATE TABLE tintype.account_deletions (
    bucket smallint NOT NULL,
    account bigint NOT NULL,
    tenant bigint NOT NULL,
    cause text NOT NULL,
    state text NOT NULL,
    token_hash bytea,
    removed jsonb DEFAULT '{}'::jsonb NOT NULL,
    requested_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT account_deletions_cause_check CHECK ((cause = ANY (ARRAY['request'::text, 'operator'::text, 'journal'::text]))),
    CONSTRAINT account_deletions_state_check CHECK ((state = ANY (ARRAY['under_way'::text, 'done'::text]))),
    CONSTRAINT account_deletions_token_hash_check CHECK ((length(token_hash) = 32))
);

ALTER TABLE tintype.account_deletions OWNER TO tintype_owner;

CREATE TABLE tintype.account_exports (
    bucket smallint NOT NULL,
    account bigint NOT NULL,
    tenant bigint NOT NULL,
    id bigint NOT NULL,
    state text NOT NULL,
    images_total bigint DEFAULT 0 NOT NULL,
    images_done bigint DEFAULT 0 NOT NULL,
    size bigint,
    sha256 bytea,
    requested_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    expires_at timestamp with time zone,
    CONSTRAINT account_exports_sha256_check CHECK ((length(sha256) = 32)),
    CONSTRAINT account_exports_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'ready'::text, 'failed'::text])))
);

ALTER TABLE tintype.account_exports OWNER TO tintype_owner;

CREATE TABLE tintype.accounts (
    bucket smallint NOT NULL,
    id bigint NOT NULL,
    tenant bigint NOT NULL,
    handle text NOT NULL,
    email text NOT NULL,
    email_verified_at timestamp with time zone,
    password_hash text,
    role text DEFAULT 'member'::text NOT NULL,
    state text DEFAULT 'active'::text NOT NULL,
    state_reason text,
    name text,
    bio text,
    links text[] DEFAULT '{}'::text[] NOT NULL,
    private boolean DEFAULT false NOT NULL,
    avatar bigint,
    banner bigint,
    revision integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT accounts_role_check CHECK ((role = ANY (ARRAY['member'::text, 'moderator'::text, 'operator'::text]))),
    CONSTRAINT accounts_state_check CHECK ((state = ANY (ARRAY['active'::text, 'suspended'::text, 'deleted'::text])))
);

ALTER TABLE tintype.accounts OWNER TO tintype_owner;

CREATE TABLE tintype.api_keys (
    id bigint NOT NULL,
    tenant bigint NOT NULL,
    name text NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    account bigint,
    scopes text[],
    last_used_at timestamp with time zone,
    CONSTRAINT api_keys_secret_hash_check CHECK ((length(secret_hash) = 32))
);

ALTER TABLE tintype.api_keys OWNER TO tintype_owner;

CREATE TABLE tintype.attachments (
    bucket smallint NOT NULL,
    tenant bigint NOT NULL,
    owner bigint NOT NULL,
    type text NOT NULL,
    id text NOT NULL,
    kind text NOT NULL,
    image bigint NOT NULL
);

ALTER TABLE tintype.attachments OWNER TO tintype_owner;

CREATE TABLE tintype.audit_log (
    tenant bigint NOT NULL,
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    action text NOT NULL,
    result text NOT NULL,
    via text NOT NULL,
    actor bigint,
    key bigint,
    address text,
    account bigint,
    object text,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT audit_log_action_check CHECK ((action ~ '^[a-z_]+\.[a-z_]+$'::text)),
    CONSTRAINT audit_log_result_check CHECK ((result = ANY (ARRAY['done'::text, 'refused'::text]))),
    CONSTRAINT audit_log_via_check CHECK ((via = ANY (ARRAY['api'::text, 'command'::text, 'system'::text])))
);

ALTER TABLE tintype.audit_log OWNER TO tintype_owner;

CREATE TABLE tintype.blob_refs (
    bucket smallint NOT NULL,
    tenant bigint NOT NULL,
    sha256 bytea NOT NULL,
    image bigint NOT NULL,
    version integer NOT NULL,
    owner bigint
);

ALTER TABLE tintype.blob_refs OWNER TO tintype_owner;

CREATE TABLE tintype.blobs (
    bucket smallint NOT NULL,
    tenant bigint NOT NULL,
    sha256 bytea NOT NULL,
    size bigint NOT NULL,
    format text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT blobs_sha256_check CHECK ((length(sha256) = 32))
);

ALTER TABLE tintype.blobs OWNER TO tintype_owner;

CREATE UNLOGGED TABLE tintype.challenges (
    bucket smallint NOT NULL,
    tenant bigint NOT NULL,
    digest bytea NOT NULL,
    purpose text NOT NULL,
    account bigint,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT challenges_digest_check CHECK ((length(digest) = 32))
);

ALTER TABLE tintype.challenges OWNER TO tintype_owner;

CREATE TABLE tintype.emails (
    tenant bigint NOT NULL,
    email text NOT NULL,
    account bigint NOT NULL,
    verified_at timestamp with time zone
);

ALTER TABLE tintype.emails OWNER TO tintype_owner;

CREATE TABLE tintype.follows_out (
    bucket smallint NOT NULL,
    follower bigint NOT NULL,
    followee bigint NOT NULL,
    tenant bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE tintype.follows_out OWNER TO tintype_owner;

CREATE TABLE tintype.handles (
    tenant bigint NOT NULL,
    handle text NOT NULL,
    account bigint NOT NULL
);

ALTER TABLE tintype.handles OWNER TO tintype_owner;

CREATE TABLE tintype.hostnames (
    host text NOT NULL,
    tenant bigint NOT NULL
);

ALTER TABLE tintype.hostnames OWNER TO tintype_owner;

CREATE TABLE tintype.idempotency_keys (
    bucket smallint NOT NULL,
    tenant bigint NOT NULL,
    key bytea NOT NULL,
    fingerprint bytea NOT NULL,
    image bigint NOT NULL,
    answer text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    account bigint,
    CONSTRAINT idempotency_keys_fingerprint_check CHECK ((length(fingerprint) = 32)),
    CONSTRAINT idempotency_keys_key_check CHECK ((length(key) = 32))
);

ALTER TABLE tintype.idempotency_keys OWNER TO tintype_owner;

CREATE TABLE tintype.identities (
    tenant bigint NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    account bigint NOT NULL,
    provider text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    used_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identities_subject_check CHECK (((length(subject) >= 1) AND (length(subject) <= 255)))
);

ALTER TABLE tintype.identities OWNER TO tintype_owner;

CREATE TABLE tintype.images (
    bucket smallint NOT NULL,
    id bigint NOT NULL,
    tenant bigint NOT NULL,
    secret bytea NOT NULL,
    owner bigint,
    created_by bigint,
    kind text NOT NULL,
    recipe jsonb NOT NULL,
    sha256 bytea NOT NULL,
    source_sha256 bytea NOT NULL,
    sanitiser_version smallint NOT NULL,
    format text NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    frames integer NOT NULL,
    size bigint NOT NULL,
    title text,
    alt text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    visibility text NOT NULL,
    state text NOT NULL,
    state_reason text,
    version integer DEFAULT 1 NOT NULL,
    thumbhash text,
    dominant_color text,
    write_token_hash bytea,
    read_token_hash bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    purged_at timestamp with time zone,
    revision integer DEFAULT 1 NOT NULL,
    hold boolean DEFAULT false NOT NULL,
    trashed_at timestamp with time zone,
    trashed_from text,
    expires_at timestamp with time zone,
    attached_type text,
    attached_id text,
    replaced_at timestamp with time zone,
    attach_by timestamp with time zone,
    expires_attached timestamp with time zone,
    CONSTRAINT images_secret_check CHECK ((length(secret) = 8)),
    CONSTRAINT images_state_check CHECK ((state = ANY (ARRAY['processing'::text, 'ready'::text, 'rejected'::text, 'failed'::text, 'quarantined'::text, 'trashed'::text, 'purged'::text]))),
    CONSTRAINT images_visibility_check CHECK ((visibility = ANY (ARRAY['public'::text, 'unlisted'::text, 'followers'::text, 'private'::text])))
);

ALTER TABLE tintype.images OWNER TO tintype_owner;

CREATE TABLE tintype.job_failures (
    job bigint NOT NULL,
    tenant bigint NOT NULL,
    reason text NOT NULL,
    failed_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE tintype.job_failures OWNER TO tintype_owner;

CREATE TABLE tintype.mails (
    bucket smallint NOT NULL,
    id bigint NOT NULL,
    tenant bigint NOT NULL,
    account bigint NOT NULL,
    kind text NOT NULL,
    address text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    sent_at timestamp with time zone,
    refused_at timestamp with time zone,
    used_at timestamp with time zone
);

ALTER TABLE tintype.mails OWNER TO tintype_owner;

CREATE TABLE tintype.outbox (
    bucket smallint NOT NULL,
    id bigint NOT NULL,
    tenant bigint NOT NULL,
    type text NOT NULL,
    image bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    snapshot jsonb NOT NULL
);

ALTER TABLE tintype.outbox OWNER TO tintype_owner;

CREATE TABLE tintype.passkeys (
    bucket smallint NOT NULL,
    id bigint NOT NULL,
    tenant bigint NOT NULL,
    account bigint NOT NULL,
    credential bytea NOT NULL,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    transports text[] DEFAULT '{}'::text[] NOT NULL,
    backed_up boolean NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT passkeys_credential_check CHECK (((length(credential) >= 1) AND (length(credential) <= 1023)))
);

ALTER TABLE tintype.passkeys OWNER TO tintype_owner;

CREATE TABLE tintype.periodic_tasks (
    name text NOT NULL,
    schedule text,
    due_at timestamp with time zone,
    job bigint,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    succeeded_at timestamp with time zone,
    outcome text,
    report jsonb,
    CONSTRAINT periodic_tasks_outcome_check CHECK ((outcome = ANY (ARRAY['done'::text, 'error'::text])))
);

ALTER TABLE tintype.periodic_tasks OWNER TO tintype_owner;

CREATE TABLE tintype.procrastinate_events (
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    type tintype.procrastinate_job_event_type,
    at timestamp with time zone DEFAULT now()
);

ALTER TABLE tintype.procrastinate_events OWNER TO tintype_owner;

CREATE SEQUENCE tintype.procrastinate_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE tintype.procrastinate_events_id_seq OWNER TO tintype_owner;

ALTER SEQUENCE tintype.procrastinate_events_id_seq OWNED BY tintype.procrastinate_events.id;

CREATE SEQUENCE tintype.procrastinate_jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE tintype.procrastinate_jobs_id_seq OWNER TO tintype_owner;

ALTER SEQUENCE tintype.procrastinate_jobs_id_seq OWNED BY tintype.procrastinate_jobs.id;

CREATE TABLE tintype.procrastinate_periodic_defers (
    id bigint NOT NULL,
    task_name character varying(128) NOT NULL,
    defer_timestamp bigint,
    job_id bigint,
    periodic_id character varying(128) DEFAULT ''::character varying NOT NULL
);

ALTER TABLE tintype.procrastinate_periodic_defers OWNER TO tintype_owner;

CREATE SEQUENCE tintype.procrastinate_periodic_defers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE tintype.procrastinate_periodic_defers_id_seq OWNER TO tintype_owner;

ALTER SEQUENCE tintype.procrastinate_periodic_defers_id_seq OWNED BY tintype.procrastinate_periodic_defers.id;

CREATE TABLE tintype.procrastinate_workers (
    id bigint NOT NULL,
    last_heartbeat timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE tintype.procrastinate_workers OWNER TO tintype_owner;

ALTER TABLE tintype.procrastinate_workers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME tintype.procrastinate_workers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE tintype.purges (
    bucket smallint NOT NULL,
    image bigint NOT NULL,
    tenant bigint NOT NULL,
    cause text NOT NULL,
    write_token_hash bytea,
    paths text[] NOT NULL,
    cache_tags text[] NOT NULL,
    purged_at timestamp with time zone DEFAULT now() NOT NULL,
    statuses integer[],
    probed_at timestamp with time zone,
    owner bigint,
    CONSTRAINT purges_cause_check CHECK ((cause = ANY (ARRAY['request'::text, 'trash'::text, 'expiry'::text, 'account'::text])))
);

ALTER TABLE tintype.purges OWNER TO tintype_owner;

CREATE TABLE tintype.quotas (
    tenant bigint NOT NULL,
    account bigint NOT NULL,
    max_bytes bigint,
    max_images bigint,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT quotas_max_bytes_check CHECK ((max_bytes >= 0)),
    CONSTRAINT quotas_max_images_check CHECK ((max_images >= 0))
);

ALTER TABLE tintype.quotas OWNER TO tintype_owner;

CREATE UNLOGGED TABLE tintype.rate_buckets (
    bucket smallint NOT NULL,
    tenant bigint NOT NULL,
    subject text NOT NULL,
    tokens double precision NOT NULL,
    burst double precision NOT NULL,
    rate double precision NOT NULL,
    at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

ALTER TABLE tintype.rate_buckets OWNER TO tintype_owner;

CREATE TABLE tintype.recovery_codes (
    bucket smallint NOT NULL,
    account bigint NOT NULL,
    code_hash bytea NOT NULL,
    tenant bigint NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT recovery_codes_code_hash_check CHECK ((length(code_hash) = 32))
);

ALTER TABLE tintype.recovery_codes OWNER TO tintype_owner;

CREATE UNLOGGED TABLE tintype.render_claims (
    bucket smallint NOT NULL,
    tenant bigint NOT NULL,
    sha256 bytea NOT NULL,
    digest text NOT NULL,
    holder uuid NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

ALTER TABLE tintype.render_claims OWNER TO tintype_owner;

CREATE TABLE tintype.sessions (
    bucket smallint NOT NULL,
    id bigint NOT NULL,
    tenant bigint NOT NULL,
    account bigint NOT NULL,
    secret_hash bytea NOT NULL,
    address text,
    agent text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sessions_secret_hash_check CHECK ((length(secret_hash) = 32))
);

ALTER TABLE tintype.sessions OWNER TO tintype_owner;

CREATE TABLE tintype.setup_links (
    id bigint NOT NULL,
    tenant bigint NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT setup_links_secret_hash_check CHECK ((length(secret_hash) = 32))
);

ALTER TABLE tintype.setup_links OWNER TO tintype_owner;

CREATE TABLE tintype.signing_keys (
    tenant bigint NOT NULL,
    kid text NOT NULL,
    state text NOT NULL,
    secret bytea,
    request bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    retired_at timestamp with time zone,
    CONSTRAINT signing_keys_check CHECK (((state = 'retired'::text) = (secret IS NULL))),
    CONSTRAINT signing_keys_kid_check CHECK ((kid ~ '^[0-9A-Za-z]{8}$'::text)),
    CONSTRAINT signing_keys_request_check CHECK ((length(request) = 32)),
    CONSTRAINT signing_keys_state_check CHECK ((state = ANY (ARRAY['signing'::text, 'verifying'::text, 'retired'::text])))
);

ALTER TABLE tintype.signing_keys OWNER TO tintype_owner;

CREATE TABLE tintype.tenants (
    id bigint NOT NULL,
    slug text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    name text,
    state text DEFAULT 'active'::text NOT NULL,
    origins text[] DEFAULT '{}'::text[] NOT NULL,
    anonymous_uploads boolean,
    configuration jsonb DEFAULT '{}'::jsonb NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tenants_slug_check CHECK ((slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'::text)),
    CONSTRAINT tenants_state_check CHECK ((state = ANY (ARRAY['active'::text, 'suspended'::text])))
);

ALTER TABLE tintype.tenants OWNER TO tintype_owner;

CREATE TABLE tintype.totp (
    bucket smallint NOT NULL,
    account bigint NOT NULL,
    tenant bigint NOT NULL,
    secret bytea NOT NULL,
    last_step bigint DEFAULT 0 NOT NULL,
    confirmed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE tintype.totp OWNER TO tintype_owner;

CREATE TABLE tintype.tus_uploads (
    bucket smallint NOT NULL,
    upload bigint NOT NULL,
    tenant bigint NOT NULL,
    metadata text DEFAULT ''::text NOT NULL,
    concat text DEFAULT ''::text NOT NULL,
    whole bigint,
    epoch bigint DEFAULT 0 NOT NULL,
    held boolean DEFAULT false NOT NULL,
    asked bigint DEFAULT 0 NOT NULL,
    answered bigint DEFAULT 0 NOT NULL
);

ALTER TABLE tintype.tus_uploads OWNER TO tintype_owner;

CREATE TABLE tintype.upload_parts (
    bucket smallint NOT NULL,
    upload bigint NOT NULL,
    number bigint NOT NULL,
    tenant bigint NOT NULL,
    size bigint NOT NULL,
    sha256 bytea,
    CONSTRAINT upload_parts_number_check CHECK ((number >= 0)),
    CONSTRAINT upload_parts_sha256_check CHECK ((length(sha256) = 32)),
    CONSTRAINT upload_parts_size_check CHECK ((size >= 0))
);

ALTER TABLE tintype.upload_parts OWNER TO tintype_owner;

CREATE TABLE tintype.uploads (
    bucket smallint NOT NULL,
    id bigint NOT NULL,
    tenant bigint NOT NULL,
    secret bytea NOT NULL,
    owner bigint,
    created_by bigint,
    method text NOT NULL,
    state text NOT NULL,
    state_reason text,
    size bigint,
    content_type text,
    sha256 bytea,
    filename text,
    received bigint DEFAULT 0 NOT NULL,
    reserved bigint NOT NULL,
    part_size bigint,
    store_upload text,
    kind text NOT NULL,
    title text,
    alt text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    visibility text NOT NULL,
    expires_in bigint,
    attached_type text,
    attached_id text,
    write_token_hash bytea,
    read_token_hash bytea,
    address text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT uploads_method_check CHECK ((method = ANY (ARRAY['put'::text, 'multipart'::text, 'tus'::text, 'url'::text]))),
    CONSTRAINT uploads_reserved_check CHECK ((reserved >= 0)),
    CONSTRAINT uploads_secret_check CHECK ((length(secret) = 8)),
    CONSTRAINT uploads_sha256_check CHECK ((length(sha256) = 32)),
    CONSTRAINT uploads_size_check CHECK ((size > 0)),
    CONSTRAINT uploads_state_check CHECK ((state = ANY (ARRAY['requested'::text, 'receiving'::text, 'received'::text, 'committed'::text, 'aborted'::text, 'expired'::text, 'rejected'::text])))
);

ALTER TABLE tintype.uploads OWNER TO tintype_owner;

CREATE TABLE tintype.usage (
    tenant bigint NOT NULL,
    account bigint NOT NULL,
    slot smallint NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    images bigint DEFAULT 0 NOT NULL,
    share_bytes bigint,
    share_images bigint,
    of_bytes bigint,
    of_images bigint
)
WITH (fillfactor='50');

ALTER TABLE tintype.usage OWNER TO tintype_owner;

CREATE TABLE tintype.usage_batches (
    tenant bigint NOT NULL,
    batch uuid NOT NULL,
    added_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE tintype.usage_batches OWNER TO tintype_owner;

CREATE TABLE tintype.usage_days (
    tenant bigint NOT NULL,
    account bigint NOT NULL,
    day date NOT NULL,
    slot smallint NOT NULL,
    requests bigint DEFAULT 0 NOT NULL,
    uploads bigint DEFAULT 0 NOT NULL,
    bytes_in bigint DEFAULT 0 NOT NULL,
    deletes bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

ALTER TABLE tintype.usage_days OWNER TO tintype_owner;

CREATE TABLE tintype.variants (
    bucket smallint NOT NULL,
    tenant bigint NOT NULL,
    sha256 bytea NOT NULL,
    digest text NOT NULL,
    preset text NOT NULL,
    format text NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    size bigint NOT NULL,
    file_sha256 bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT variants_file_sha256_check CHECK ((length(file_sha256) = 32))
);

ALTER TABLE tintype.variants OWNER TO tintype_owner;

CREATE TABLE tintype.view_batches (
    tenant bigint NOT NULL,
    batch uuid NOT NULL,
    added_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE tintype.view_batches OWNER TO tintype_owner;

CREATE TABLE tintype.view_days (
    bucket smallint NOT NULL,
    image bigint NOT NULL,
    day date NOT NULL,
    slot smallint NOT NULL,
    tenant bigint NOT NULL,
    views bigint NOT NULL,
    CONSTRAINT view_days_views_check CHECK ((views > 0))
);

ALTER TABLE tintype.view_days OWNER TO tintype_owner;

CREATE TABLE tintype.view_totals (
    bucket smallint NOT NULL,
    image bigint NOT NULL,
    slot smallint NOT NULL,
    tenant bigint NOT NULL,
    views bigint NOT NULL,
    CONSTRAINT view_totals_views_check CHECK ((views > 0))
);

ALTER TABLE tintype.view_totals OWNER TO tintype_owner;

CREATE TABLE tintype.webhook_deliveries (
    bucket smallint NOT NULL,
    webhook bigint NOT NULL,
    event bigint NOT NULL,
    tenant bigint NOT NULL,
    type text NOT NULL,
    image bigint,
    body text NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    tried_at timestamp with time zone,
    status smallint,
    error text,
    milliseconds integer,
    delivered_at timestamp with time zone,
    CONSTRAINT webhook_deliveries_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'delivered'::text, 'dead'::text])))
);

ALTER TABLE tintype.webhook_deliveries OWNER TO tintype_owner;

CREATE TABLE tintype.webhooks (
    tenant bigint NOT NULL,
    id bigint NOT NULL,
    url text NOT NULL,
    description text,
    events text[] NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    disabled_reason text,
    secret bytea NOT NULL,
    old_secret bytea,
    old_secret_until timestamp with time zone,
    failing_since timestamp with time zone,
    revision integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT webhooks_check CHECK ((enabled = (disabled_reason IS NULL))),
    CONSTRAINT webhooks_check1 CHECK (((old_secret IS NULL) = (old_secret_until IS NULL))),
    CONSTRAINT webhooks_disabled_reason_check CHECK ((disabled_reason = ANY (ARRAY['request'::text, 'failing'::text, 'gone'::text]))),
    CONSTRAINT webhooks_events_check CHECK ((cardinality(events) > 0))
);

ALTER TABLE tintype.webhooks OWNER TO tintype_owner;

ALTER TABLE ONLY tintype.procrastinate_events ALTER COLUMN id SET DEFAULT nextval('tintype.procrastinate_events_id_seq'::regclass);

ALTER TABLE ONLY tintype.procrastinate_jobs ALTER COLUMN id SET DEFAULT nextval('tintype.procrastinate_jobs_id_seq'::regclass);

ALTER TABLE ONLY tintype.procrastinate_periodic_defers ALTER COLUMN id SET DEFAULT nextval('tintype.procrastinate_periodic_defers_id_seq'::regclass);

ALTER TABLE ONLY tintype.account_deletions
    ADD CONSTRAINT account_deletions_pkey PRIMARY KEY (bucket, account);

ALTER TABLE ONLY tintype.account_exports
    ADD CONSTRAINT account_exports_pkey PRIMARY KEY (bucket, account);

ALTER TABLE ONLY tintype.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (bucket, id);

ALTER TABLE ONLY tintype.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE tintype.images
    ADD CONSTRAINT attached_or_waiting CHECK (((attach_by IS NULL) OR ((attached_type IS NULL) AND (expires_at IS NOT NULL)))) NOT VALID;

ALTER TABLE tintype.images
    ADD CONSTRAINT attachment_is_whole CHECK (((attached_type IS NULL) = (attached_id IS NULL))) NOT VALID;

ALTER TABLE ONLY tintype.attachments
    ADD CONSTRAINT attachments_pkey PRIMARY KEY (bucket, tenant, owner, type, id, kind);

ALTER TABLE ONLY tintype.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (tenant, id);

ALTER TABLE ONLY tintype.blob_refs
    ADD CONSTRAINT blob_refs_pkey PRIMARY KEY (bucket, tenant, sha256, image, version);

ALTER TABLE ONLY tintype.blobs
    ADD CONSTRAINT blobs_pkey PRIMARY KEY (bucket, tenant, sha256);

ALTER TABLE ONLY tintype.challenges
    ADD CONSTRAINT challenges_pkey PRIMARY KEY (bucket, tenant, digest);

ALTER TABLE ONLY tintype.emails
    ADD CONSTRAINT emails_pkey PRIMARY KEY (tenant, email);

ALTER TABLE ONLY tintype.follows_out
    ADD CONSTRAINT follows_out_pkey PRIMARY KEY (bucket, follower, followee);

ALTER TABLE ONLY tintype.handles
    ADD CONSTRAINT handles_pkey PRIMARY KEY (tenant, handle);

ALTER TABLE ONLY tintype.hostnames
    ADD CONSTRAINT hostnames_pkey PRIMARY KEY (host);

ALTER TABLE ONLY tintype.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (bucket, tenant, key);

ALTER TABLE ONLY tintype.identities
    ADD CONSTRAINT identities_pkey PRIMARY KEY (tenant, issuer, subject);

ALTER TABLE ONLY tintype.images
    ADD CONSTRAINT images_pkey PRIMARY KEY (bucket, id);

ALTER TABLE ONLY tintype.job_failures
    ADD CONSTRAINT job_failures_pkey PRIMARY KEY (job);

ALTER TABLE ONLY tintype.mails
    ADD CONSTRAINT mails_pkey PRIMARY KEY (bucket, id);

ALTER TABLE ONLY tintype.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (bucket, id);

ALTER TABLE ONLY tintype.passkeys
    ADD CONSTRAINT passkeys_pkey PRIMARY KEY (bucket, id);

ALTER TABLE ONLY tintype.periodic_tasks
    ADD CONSTRAINT periodic_tasks_pkey PRIMARY KEY (name);

ALTER TABLE ONLY tintype.procrastinate_events
    ADD CONSTRAINT procrastinate_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tintype.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tintype.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tintype.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_unique UNIQUE (task_name, periodic_id, defer_timestamp);

ALTER TABLE ONLY tintype.procrastinate_workers
    ADD CONSTRAINT procrastinate_workers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tintype.purges
    ADD CONSTRAINT purges_pkey PRIMARY KEY (bucket, image);

ALTER TABLE ONLY tintype.quotas
    ADD CONSTRAINT quotas_pkey PRIMARY KEY (tenant, account);

ALTER TABLE ONLY tintype.rate_buckets
    ADD CONSTRAINT rate_buckets_pkey PRIMARY KEY (bucket, tenant, subject);

ALTER TABLE ONLY tintype.recovery_codes
    ADD CONSTRAINT recovery_codes_pkey PRIMARY KEY (bucket, account, code_hash);

ALTER TABLE ONLY tintype.render_claims
    ADD CONSTRAINT render_claims_pkey PRIMARY KEY (bucket, tenant, sha256, digest);

ALTER TABLE ONLY tintype.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (bucket, id);

ALTER TABLE ONLY tintype.setup_links
    ADD CONSTRAINT setup_links_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tintype.signing_keys
    ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (tenant, kid);

ALTER TABLE ONLY tintype.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tintype.tenants
    ADD CONSTRAINT tenants_slug_key UNIQUE (slug);

ALTER TABLE ONLY tintype.totp
    ADD CONSTRAINT totp_pkey PRIMARY KEY (bucket, account);

ALTER TABLE tintype.images
    ADD CONSTRAINT trashed_from_is_known CHECK (((trashed_at IS NULL) = (trashed_from IS NULL))) NOT VALID;

ALTER TABLE tintype.images
    ADD CONSTRAINT trashed_is_whole CHECK (((state = 'trashed'::text) = (trashed_at IS NOT NULL))) NOT VALID;

ALTER TABLE ONLY tintype.tus_uploads
    ADD CONSTRAINT tus_uploads_pkey PRIMARY KEY (bucket, upload);

ALTER TABLE ONLY tintype.upload_parts
    ADD CONSTRAINT upload_parts_pkey PRIMARY KEY (bucket, upload, number);

ALTER TABLE ONLY tintype.uploads
    ADD CONSTRAINT uploads_pkey PRIMARY KEY (bucket, id);

ALTER TABLE ONLY tintype.usage_batches
    ADD CONSTRAINT usage_batches_pkey PRIMARY KEY (tenant, batch);

ALTER TABLE ONLY tintype.usage_days
    ADD CONSTRAINT usage_days_pkey PRIMARY KEY (tenant, account, day, slot);

ALTER TABLE ONLY tintype.usage
    ADD CONSTRAINT usage_pkey PRIMARY KEY (tenant, account, slot);

ALTER TABLE ONLY tintype.variants
    ADD CONSTRAINT variants_pkey PRIMARY KEY (bucket, tenant, sha256, digest);

ALTER TABLE ONLY tintype.view_batches
    ADD CONSTRAINT view_batches_pkey PRIMARY KEY (tenant, batch);

ALTER TABLE ONLY tintype.view_days
    ADD CONSTRAINT view_days_pkey PRIMARY KEY (bucket, image, day, slot);

ALTER TABLE ONLY tintype.view_totals
    ADD CONSTRAINT view_totals_pkey PRIMARY KEY (bucket, image, slot);

ALTER TABLE ONLY tintype.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (bucket, webhook, event);

ALTER TABLE ONLY tintype.webhooks
    ADD CONSTRAINT webhooks_pkey PRIMARY KEY (id);

CREATE INDEX account_deletions_under_way ON tintype.account_deletions USING btree (tenant, account) WHERE (state = 'under_way'::text);

CREATE INDEX accounts_of_tenant ON tintype.accounts USING btree (tenant, id DESC);

CREATE INDEX api_keys_of_tenant ON tintype.api_keys USING btree (tenant, id DESC) WHERE (revoked_at IS NULL);

CREATE INDEX audit_log_by_account ON tintype.audit_log USING btree (tenant, account, id DESC) WHERE (account IS NOT NULL);

CREATE INDEX audit_log_by_action ON tintype.audit_log USING btree (tenant, action, id DESC);

CREATE INDEX audit_log_by_actor ON tintype.audit_log USING btree (tenant, actor, id DESC) WHERE (actor IS NOT NULL);

CREATE INDEX audit_log_by_key ON tintype.audit_log USING btree (tenant, key, id DESC) WHERE (key IS NOT NULL);

CREATE INDEX audit_log_by_object ON tintype.audit_log USING btree (tenant, object, id DESC) WHERE (object IS NOT NULL);

CREATE INDEX challenges_by_age ON tintype.challenges USING btree (expires_at);

CREATE INDEX follows_out_by_followee ON tintype.follows_out USING btree (tenant, followee);

CREATE INDEX hostnames_of_tenant ON tintype.hostnames USING btree (tenant, host);

CREATE INDEX idempotency_keys_by_age ON tintype.idempotency_keys USING btree (created_at);

CREATE INDEX idempotency_keys_by_image ON tintype.idempotency_keys USING btree (bucket, image);

CREATE UNIQUE INDEX identities_of_account ON tintype.identities USING btree (tenant, account, provider);

CREATE INDEX idx_procrastinate_jobs_worker_not_null ON tintype.procrastinate_jobs USING btree (worker_id) WHERE ((worker_id IS NOT NULL) AND (status = 'doing'::tintype.procrastinate_job_status));

CREATE INDEX idx_procrastinate_workers_last_heartbeat ON tintype.procrastinate_workers USING btree (last_heartbeat);

CREATE INDEX images_by_attachment ON tintype.images USING btree (tenant, attached_type, attached_id, id DESC) WHERE (attached_type IS NOT NULL);

CREATE INDEX images_by_kind ON tintype.images USING btree (tenant, kind, id DESC) WHERE ((state <> 'trashed'::text) AND (state <> 'purged'::text));

CREATE INDEX images_by_source ON tintype.images USING btree (tenant, source_sha256, id DESC) WHERE (state <> 'purged'::text);

CREATE INDEX images_by_state ON tintype.images USING btree (tenant, state, id DESC) WHERE (state <> 'purged'::text);

CREATE INDEX images_by_words ON tintype.images USING gin (tintype.image_words(title, alt, tags)) WHERE ((state <> 'purged'::text) AND ((title IS NOT NULL) OR (alt IS NOT NULL) OR (tags <> '{}'::text[])));

CREATE INDEX images_expiring ON tintype.images USING btree (expires_at) WHERE (expires_at IS NOT NULL);

CREATE INDEX images_listed ON tintype.images USING btree (tenant, id DESC) WHERE ((state <> 'trashed'::text) AND (state <> 'purged'::text));

CREATE INDEX images_of_owner ON tintype.images USING btree (tenant, owner, id DESC) WHERE ((owner IS NOT NULL) AND (state <> 'purged'::text));

CREATE INDEX images_processing ON tintype.images USING btree (updated_at) WHERE (state = 'processing'::text);

CREATE INDEX images_purged ON tintype.images USING btree (tenant, purged_at, id) WHERE (state = 'purged'::text);

CREATE INDEX images_trashed ON tintype.images USING btree (trashed_at) WHERE (trashed_at IS NOT NULL);

CREATE INDEX mails_by_end ON tintype.mails USING btree (expires_at);

CREATE INDEX mails_of_account ON tintype.mails USING btree (bucket, account, kind, id DESC);

CREATE INDEX operators_of_tenant ON tintype.accounts USING btree (tenant) WHERE (role = 'operator'::text);

CREATE INDEX outbox_of_image ON tintype.outbox USING btree (bucket, image);

CREATE INDEX outbox_of_tenant ON tintype.outbox USING btree (tenant, id);

CREATE UNIQUE INDEX passkeys_of_account ON tintype.passkeys USING btree (bucket, account, credential);

CREATE INDEX procrastinate_events_job_id_fkey_v1 ON tintype.procrastinate_events USING btree (job_id);

CREATE INDEX procrastinate_jobs_dead ON tintype.procrastinate_jobs USING btree (COALESCE((args ->> 'tenant'::text), ''::text), id DESC) WHERE (status = 'failed'::tintype.procrastinate_job_status);

CREATE INDEX procrastinate_jobs_id_lock_idx_v1 ON tintype.procrastinate_jobs USING btree (id, lock) WHERE (status = ANY (ARRAY['todo'::tintype.procrastinate_job_status, 'doing'::tintype.procrastinate_job_status]));

CREATE UNIQUE INDEX procrastinate_jobs_lock_idx_v1 ON tintype.procrastinate_jobs USING btree (lock) WHERE (status = 'doing'::tintype.procrastinate_job_status);

CREATE INDEX procrastinate_jobs_of_image ON tintype.procrastinate_jobs USING btree (((args ->> 'image'::text))) WHERE ((task_name)::text = 'process_image'::text);

CREATE INDEX procrastinate_jobs_of_upload ON tintype.procrastinate_jobs USING btree (((args ->> 'upload'::text))) WHERE ((task_name)::text = 'examine_upload'::text);

CREATE INDEX procrastinate_jobs_of_variant ON tintype.procrastinate_jobs USING btree (((args ->> 'variant'::text))) WHERE ((task_name)::text = 'make_variant'::text);

CREATE INDEX procrastinate_jobs_priority_idx_v1 ON tintype.procrastinate_jobs USING btree (priority DESC, id) WHERE (status = 'todo'::tintype.procrastinate_job_status);

CREATE INDEX procrastinate_jobs_queue_name_idx_v1 ON tintype.procrastinate_jobs USING btree (queue_name);

CREATE UNIQUE INDEX procrastinate_jobs_queueing_lock_idx_v1 ON tintype.procrastinate_jobs USING btree (queueing_lock) WHERE (status = 'todo'::tintype.procrastinate_job_status);

CREATE INDEX procrastinate_periodic_defers_job_id_fkey_v1 ON tintype.procrastinate_periodic_defers USING btree (job_id);

CREATE INDEX purges_of_owner ON tintype.purges USING btree (tenant, owner, image) WHERE (owner IS NOT NULL);

CREATE INDEX sessions_by_end ON tintype.sessions USING btree (expires_at);

CREATE INDEX sessions_of_account ON tintype.sessions USING btree (bucket, account, id DESC);

CREATE UNIQUE INDEX signing_keys_by_request ON tintype.signing_keys USING btree (tenant, request) WHERE (request IS NOT NULL);

CREATE UNIQUE INDEX signing_keys_in_use ON tintype.signing_keys USING btree (tenant, state) WHERE (state <> 'retired'::text);

CREATE INDEX uploads_ended ON tintype.uploads USING btree (ended_at) WHERE (ended_at IS NOT NULL);

CREATE INDEX uploads_holding ON tintype.uploads USING btree (tenant, owner) WHERE (ended_at IS NULL);

CREATE INDEX uploads_of_owner ON tintype.uploads USING btree (tenant, owner, id) WHERE (owner IS NOT NULL);

CREATE INDEX uploads_open ON tintype.uploads USING btree (expires_at) WHERE (state = ANY (ARRAY['requested'::text, 'receiving'::text]));

CREATE INDEX uploads_received ON tintype.uploads USING btree (updated_at) WHERE (state = 'received'::text);

CREATE INDEX webhook_deliveries_by_age ON tintype.webhook_deliveries USING btree (tenant, occurred_at);

CREATE INDEX webhook_deliveries_dead ON tintype.webhook_deliveries USING btree (tenant, event DESC, webhook DESC) WHERE (state = 'dead'::text);

CREATE INDEX webhook_deliveries_due ON tintype.webhook_deliveries USING btree (due_at) WHERE (state = 'pending'::text);

CREATE INDEX webhook_deliveries_of_image ON tintype.webhook_deliveries USING btree (tenant, image);

CREATE INDEX webhooks_of_tenant ON tintype.webhooks USING btree (tenant, id DESC);

CREATE TRIGGER procrastinate_jobs_notify_queue_job_aborted_v1 AFTER UPDATE OF abort_requested ON tintype.procrastinate_jobs FOR EACH ROW WHEN (((old.abort_requested = false) AND (new.abort_requested = true) AND (new.status = 'doing'::tintype.procrastinate_job_status))) EXECUTE FUNCTION tintype.procrastinate_notify_queue_abort_job_v1();

CREATE TRIGGER procrastinate_trigger_abort_requested_events_v1 AFTER UPDATE OF abort_requested ON tintype.procrastinate_jobs FOR EACH ROW WHEN ((new.abort_requested = true)) EXECUTE FUNCTION tintype.procrastinate_trigger_abort_requested_events_procedure_v1();

CREATE TRIGGER procrastinate_trigger_delete_jobs_v1 BEFORE DELETE ON tintype.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION tintype.procrastinate_unlink_periodic_defers_v1();

CREATE TRIGGER procrastinate_trigger_scheduled_events_v1 AFTER INSERT OR UPDATE ON tintype.procrastinate_jobs FOR EACH ROW WHEN (((new.scheduled_at IS NOT NULL) AND (new.status = 'todo'::tintype.procrastinate_job_status))) EXECUTE FUNCTION tintype.procrastinate_trigger_function_scheduled_events_v1();

CREATE TRIGGER procrastinate_trigger_status_events_insert_v1 AFTER INSERT ON tintype.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::tintype.procrastinate_job_status)) EXECUTE FUNCTION tintype.procrastinate_trigger_function_status_events_insert_v1();

CREATE TRIGGER procrastinate_trigger_status_events_update_v1 AFTER UPDATE OF status ON tintype.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION tintype.procrastinate_trigger_function_status_events_update_v1();

ALTER TABLE ONLY tintype.api_keys
    ADD CONSTRAINT api_keys_tenant_fkey FOREIGN KEY (tenant) REFERENCES tintype.tenants(id);

ALTER TABLE ONLY tintype.hostnames
    ADD CONSTRAINT hostnames_tenant_fkey FOREIGN KEY (tenant) REFERENCES tintype.tenants(id);

ALTER TABLE ONLY tintype.job_failures
    ADD CONSTRAINT job_failures_job_fkey FOREIGN KEY (job) REFERENCES tintype.procrastinate_jobs(id) ON DELETE CASCADE;

ALTER TABLE ONLY tintype.procrastinate_events
    ADD CONSTRAINT procrastinate_events_job_id_fkey FOREIGN KEY (job_id) REFERENCES tintype.procrastinate_jobs(id) ON DELETE CASCADE;

ALTER TABLE ONLY tintype.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES tintype.procrastinate_workers(id) ON DELETE SET NULL;

ALTER TABLE ONLY tintype.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_job_id_fkey FOREIGN KEY (job_id) REFERENCES tintype.procrastinate_jobs(id);

ALTER TABLE ONLY tintype.setup_links
    ADD CONSTRAINT setup_links_tenant_fkey FOREIGN KEY (tenant) REFERENCES tintype.tenants(id);

ALTER TABLE ONLY tintype.signing_keys
    ADD CONSTRAINT signing_keys_tenant_fkey FOREIGN KEY (tenant) REFERENCES tintype.tenants(id);

ALTER TABLE ONLY tintype.tus_uploads
    ADD CONSTRAINT tus_uploads_bucket_upload_fkey FOREIGN KEY (bucket, upload) REFERENCES tintype.uploads(bucket, id) ON DELETE CASCADE;

ALTER TABLE ONLY tintype.upload_parts
    ADD CONSTRAINT upload_parts_bucket_upload_fkey FOREIGN KEY (bucket, upload) REFERENCES tintype.uploads(bucket, id) ON DELETE CASCADE;

ALTER TABLE ONLY tintype.webhooks
    ADD CONSTRAINT webhooks_tenant_fkey FOREIGN KEY (tenant) REFERENCES tintype.tenants(id);

ALTER TABLE tintype.account_deletions ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.account_exports ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.accounts ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.api_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.attachments ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.audit_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.blob_refs ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.blobs ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.challenges ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.emails ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.follows_out ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.handles ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.hostnames ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.idempotency_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.identities ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.images ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.job_failures ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.mails ENABLE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON tintype.account_deletions USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.account_exports USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.accounts USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.api_keys USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.attachments USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.audit_log USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.blob_refs USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.blobs USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.challenges USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.emails USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.follows_out USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.handles USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.hostnames USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.idempotency_keys USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.identities USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.images USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.job_failures USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.mails USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.outbox USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.passkeys USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.purges USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.quotas USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.rate_buckets USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.recovery_codes USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.render_claims USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.sessions USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.setup_links USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.signing_keys USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.tenants USING ((id = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.totp USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.tus_uploads USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.upload_parts USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.uploads USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.usage USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.usage_batches USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.usage_days USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.variants USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.view_batches USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.view_days USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.view_totals USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.webhook_deliveries USING ((tenant = tintype.current_tenant()));

CREATE POLICY of_tenant ON tintype.webhooks USING ((tenant = tintype.current_tenant()));

ALTER TABLE tintype.outbox ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.passkeys ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.purges ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.quotas ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.rate_buckets ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.recovery_codes ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.render_claims ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.setup_links ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.signing_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.tenants ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.totp ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.tus_uploads ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.upload_parts ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.uploads ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.usage ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.usage_batches ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.usage_days ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.variants ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.view_batches ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.view_days ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.view_totals ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.webhook_deliveries ENABLE ROW LEVEL SECURITY;

ALTER TABLE tintype.webhooks ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA tintype TO tintype_app;

REVOKE ALL ON FUNCTION tintype.count_webhook_deliveries(OUT pending bigint, OUT dead bigint, OUT late double precision, OUT disabled bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.count_webhook_deliveries(OUT pending bigint, OUT dead bigint, OUT late double precision, OUT disabled bigint) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.expired_before(in_time timestamp with time zone, in_after timestamp with time zone, in_after_id bigint, in_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.expired_before(in_time timestamp with time zone, in_after timestamp with time zone, in_after_id bigint, in_limit integer) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.find_api_key(in_id bigint, OUT tenant bigint, OUT secret_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.find_api_key(in_id bigint, OUT tenant bigint, OUT secret_hash bytea) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.find_image_tenant(in_bucket smallint, in_id bigint, in_secret bytea, OUT tenant bigint, OUT suspended boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.find_image_tenant(in_bucket smallint, in_id bigint, in_secret bytea, OUT tenant bigint, OUT suspended boolean) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.find_key(in_id bigint, OUT tenant bigint, OUT secret_hash bytea, OUT scopes text[], OUT account bigint, OUT role text, OUT suspended boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.find_key(in_id bigint, OUT tenant bigint, OUT secret_hash bytea, OUT scopes text[], OUT account bigint, OUT role text, OUT suspended boolean) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.find_session(in_bucket smallint, in_id bigint, OUT tenant bigint, OUT account bigint, OUT secret_hash bytea, OUT role text, OUT suspended boolean, OUT stale boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.find_session(in_bucket smallint, in_id bigint, OUT tenant bigint, OUT account bigint, OUT secret_hash bytea, OUT role text, OUT suspended boolean, OUT stale boolean) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.forget_audit_entries(in_before timestamp with time zone, in_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.forget_audit_entries(in_before timestamp with time zone, in_limit integer) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.lost_images(in_seconds double precision, in_limit integer, OUT tenant bigint, OUT id bigint, OUT version integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.lost_images(in_seconds double precision, in_limit integer, OUT tenant bigint, OUT id bigint, OUT version integer) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.lost_uploads(in_seconds double precision, in_limit integer, OUT tenant bigint, OUT id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.lost_uploads(in_seconds double precision, in_limit integer, OUT tenant bigint, OUT id bigint) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.overdue_uploads(in_limit integer, OUT tenant bigint, OUT id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.overdue_uploads(in_limit integer, OUT tenant bigint, OUT id bigint) TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.procrastinate_jobs TO tintype_app;

REVOKE ALL ON FUNCTION tintype.search_images(in_words text, in_kind text, in_state text, in_source bytea, in_attached_type text, in_attached_id text, in_before bigint, in_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.search_images(in_words text, in_kind text, in_state text, in_source bytea, in_attached_type text, in_attached_id text, in_before bigint, in_limit integer) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.search_images(in_words text, in_kind text, in_state text, in_source bytea, in_attached_type text, in_attached_id text, in_before bigint, in_limit integer, in_owner bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.search_images(in_words text, in_kind text, in_state text, in_source bytea, in_attached_type text, in_attached_id text, in_before bigint, in_limit integer, in_owner bigint) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.sweep_challenges() FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.sweep_challenges() TO tintype_app;

REVOKE ALL ON FUNCTION tintype.sweep_idempotency_keys(in_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.sweep_idempotency_keys(in_limit integer) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.sweep_mails(in_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.sweep_mails(in_limit integer) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.sweep_rate_buckets() FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.sweep_rate_buckets() TO tintype_app;

REVOKE ALL ON FUNCTION tintype.sweep_sessions(in_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.sweep_sessions(in_limit integer) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.sweep_setup_links() FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.sweep_setup_links() TO tintype_app;

REVOKE ALL ON FUNCTION tintype.sweep_uploads(in_days integer, in_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.sweep_uploads(in_days integer, in_limit integer) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.take_tokens(in_tenant bigint, in_buckets smallint[], in_subjects text[], in_bursts double precision[], in_rates double precision[], in_costs double precision[], in_spent boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.take_tokens(in_tenant bigint, in_buckets smallint[], in_subjects text[], in_bursts double precision[], in_rates double precision[], in_costs double precision[], in_spent boolean) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.take_webhook_deliveries(in_busy bigint[], in_limit integer, in_each integer, in_lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.take_webhook_deliveries(in_busy bigint[], in_limit integer, in_each integer, in_lease interval) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.tenant_by_slug(in_slug text) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.tenant_by_slug(in_slug text) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.tenant_of_deletion(in_bucket smallint, in_account bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.tenant_of_deletion(in_bucket smallint, in_account bigint) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.tenant_of_host(in_host text) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.tenant_of_host(in_host text) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.tenant_of_image(in_bucket smallint, in_id bigint, in_secret bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.tenant_of_image(in_bucket smallint, in_id bigint, in_secret bytea) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.tenant_of_mail(in_bucket smallint, in_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.tenant_of_mail(in_bucket smallint, in_id bigint) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.tenant_of_setup_link(in_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.tenant_of_setup_link(in_id bigint) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.tenant_of_upload(in_bucket smallint, in_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.tenant_of_upload(in_bucket smallint, in_id bigint) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.tenants_after(in_tenant bigint, in_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.tenants_after(in_tenant bigint, in_limit integer) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.tenants_before(in_tenant bigint, in_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.tenants_before(in_tenant bigint, in_limit integer) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.tenants_with_events(in_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.tenants_with_events(in_limit integer) TO tintype_app;

REVOKE ALL ON FUNCTION tintype.trashed_before(in_time timestamp with time zone, in_after timestamp with time zone, in_after_id bigint, in_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tintype.trashed_before(in_time timestamp with time zone, in_after timestamp with time zone, in_after_id bigint, in_limit integer) TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.account_deletions TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.account_exports TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.accounts TO tintype_app;

GRANT SELECT,INSERT,DELETE ON TABLE tintype.api_keys TO tintype_app;

GRANT UPDATE(revoked_at) ON TABLE tintype.api_keys TO tintype_app;

GRANT UPDATE(last_used_at) ON TABLE tintype.api_keys TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.attachments TO tintype_app;

GRANT SELECT,INSERT ON TABLE tintype.audit_log TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.blob_refs TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.blobs TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.challenges TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.emails TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.follows_out TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.handles TO tintype_app;

GRANT SELECT,INSERT,DELETE ON TABLE tintype.hostnames TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.idempotency_keys TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.identities TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.images TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.job_failures TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.mails TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.outbox TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.passkeys TO tintype_app;

GRANT SELECT,INSERT,UPDATE ON TABLE tintype.periodic_tasks TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.procrastinate_events TO tintype_app;

GRANT USAGE ON SEQUENCE tintype.procrastinate_events_id_seq TO tintype_app;

GRANT USAGE ON SEQUENCE tintype.procrastinate_jobs_id_seq TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.procrastinate_periodic_defers TO tintype_app;

GRANT USAGE ON SEQUENCE tintype.procrastinate_periodic_defers_id_seq TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.procrastinate_workers TO tintype_app;

GRANT USAGE ON SEQUENCE tintype.procrastinate_workers_id_seq TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.purges TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.quotas TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.recovery_codes TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.render_claims TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.sessions TO tintype_app;

GRANT SELECT,DELETE ON TABLE tintype.setup_links TO tintype_app;

GRANT SELECT,INSERT,UPDATE ON TABLE tintype.signing_keys TO tintype_app;

GRANT SELECT,INSERT,UPDATE ON TABLE tintype.tenants TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.totp TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.tus_uploads TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.upload_parts TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.uploads TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.usage TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.usage_batches TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.usage_days TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.variants TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.view_batches TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.view_days TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.view_totals TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.webhook_deliveries TO tintype_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE tintype.webhooks TO tintype_app;
