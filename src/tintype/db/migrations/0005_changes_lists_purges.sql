-- What changes, lists and receipts need.

ALTER TABLE images ADD COLUMN replaced_at timestamptz; -- when its bytes were last replaced; null: never

-- Lists: what a list shows by default, and each filter by itself, newest first ----------------------------------------

DROP INDEX images_of_tenant; -- it led through the trash
CREATE INDEX images_listed ON images (tenant, id DESC) WHERE state <> 'trashed' AND state <> 'purged';
CREATE INDEX images_by_kind ON images (tenant, kind, id DESC) WHERE state <> 'trashed' AND state <> 'purged';
CREATE INDEX images_by_state ON images (tenant, state, id DESC) WHERE state <> 'purged';

-- The words of an image. array_to_string is not immutable for every type of element, but it is for text.
CREATE FUNCTION image_words(title text, alt text, tags text[]) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT to_tsvector('pg_catalog.simple',
              coalesce(title, '') || ' ' || coalesce(alt, '') || ' ' || array_to_string(tags, ' ')) $$;
CREATE INDEX images_by_words ON images USING gin (image_words(title, alt, tags))
    WHERE state <> 'purged' AND (title IS NOT NULL OR alt IS NOT NULL OR tags <> '{}');

-- Under a policy, @@ cannot use its index (it is not leakproof), so the search runs as the owner, with the tenant in its
-- own WHERE. The last word may be the beginning of one. Nobody can tell beforehand how common a word is, and a planner that
-- guesses wrong goes through every image; so the newest are looked at first, a bounded number, where a common word fills
-- the page at once, and only then the index, whose matches have to be sorted.
CREATE FUNCTION search_images(
        in_words text, in_kind text, in_state text, in_source bytea, in_attached_type text, in_attached_id text,
        in_before int8, in_limit int4) RETURNS SETOF int8
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$
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
END $$;

-- Purges: what was removed, and the proof that it is gone ---------------------------------------------------------------

CREATE TABLE purges (
    bucket int2 NOT NULL, -- the image's
    image int8 NOT NULL,
    tenant int8 NOT NULL,
    cause text NOT NULL CHECK (cause IN ('request', 'trash', 'expiry')),
    write_token_hash bytea, -- whoever could delete the image may read its receipt
    paths text[] NOT NULL,
    cache_tags text[] NOT NULL,
    purged_at timestamptz NOT NULL DEFAULT now(),
    statuses int4[], -- what each path answered
    probed_at timestamptz,
    PRIMARY KEY (bucket, image)
);
ALTER TABLE purges ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON purges USING (tenant = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON purges TO tintype_app;

-- What the sweep looks for in every tenant: ids alone, a page at a time, oldest first -----------------------------------

CREATE FUNCTION trashed_before(in_time timestamptz, in_after timestamptz, in_after_id int8, in_limit int4)
    RETURNS TABLE (tenant int8, id int8, since timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT i.tenant, i.id, i.trashed_at FROM images i
          WHERE i.trashed_at <= in_time AND (i.trashed_at, i.id) > (in_after, in_after_id) AND NOT i.hold
          ORDER BY i.trashed_at, i.id LIMIT in_limit $$;

CREATE FUNCTION expired_before(in_time timestamptz, in_after timestamptz, in_after_id int8, in_limit int4)
    RETURNS TABLE (tenant int8, id int8, since timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = tintype, pg_temp
    AS $$ SELECT i.tenant, i.id, i.expires_at FROM images i
          WHERE i.expires_at <= in_time AND (i.expires_at, i.id) > (in_after, in_after_id) AND NOT i.hold
          ORDER BY i.expires_at, i.id LIMIT in_limit $$;

REVOKE ALL ON FUNCTION search_images, trashed_before, expired_before FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_images, trashed_before, expired_before TO tintype_app;
