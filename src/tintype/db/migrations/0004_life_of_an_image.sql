-- The life of an image: revisions for If-Match, the trash, expiry, legal holds, attachments.
--
-- Columns with constant defaults: no table is rewritten, and the code that runs now does not notice them.

ALTER TABLE images
    ADD COLUMN revision int4 NOT NULL DEFAULT 1, -- one more with every change that a client can see
    ADD COLUMN hold boolean NOT NULL DEFAULT false,
    ADD COLUMN trashed_at timestamptz,
    ADD COLUMN trashed_from text, -- the state that a restore gives back
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN attached_type text,
    ADD COLUMN attached_id text,
    ADD CONSTRAINT trashed_is_whole CHECK ((state = 'trashed') = (trashed_at IS NOT NULL)) NOT VALID,
    ADD CONSTRAINT trashed_from_is_known CHECK ((trashed_at IS NULL) = (trashed_from IS NULL)) NOT VALID,
    ADD CONSTRAINT attachment_is_whole CHECK ((attached_type IS NULL) = (attached_id IS NULL)) NOT VALID;

-- A tenant's images, newest first: ids lead with their time.
CREATE INDEX images_of_tenant ON images (tenant, id DESC) WHERE state <> 'purged';
CREATE INDEX images_by_source ON images (tenant, source_sha256, id DESC) WHERE state <> 'purged';
CREATE INDEX images_by_attachment ON images (tenant, attached_type, attached_id, id DESC) WHERE attached_type IS NOT NULL;
-- What the sweeps look for: few rows at any time, whatever the size of the table.
CREATE INDEX images_trashed ON images (trashed_at) WHERE trashed_at IS NOT NULL;
CREATE INDEX images_expiring ON images (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX images_processing ON images (updated_at) WHERE state = 'processing';
