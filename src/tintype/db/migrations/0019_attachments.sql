-- What images belong to, until when one may belong to nothing, and whose an Idempotency-Key is.

SET LOCAL ROLE tintype_owner;
SET LOCAL search_path = tintype;

-- An image of a kind that belongs to something may be sent before that is there. It is gone at `attach_by` unless it
-- was attached by then. `expires_at` says what holds now, `expires_attached` what it will be once it is attached.
ALTER TABLE images
    ADD COLUMN attach_by timestamptz,
    ADD COLUMN expires_attached timestamptz,
    ADD CONSTRAINT attached_or_waiting CHECK (attach_by IS NULL OR (attached_type IS NULL AND expires_at IS NOT NULL))
        NOT VALID;

-- Which image of a kind somebody shows of what it belongs to, where the kind has one per owner. `owner` is the account,
-- or the tenant of the tenant's own keys. A row may go on naming an image that is in the trash or purged.
CREATE TABLE attachments (
    bucket int2 NOT NULL,
    tenant int8 NOT NULL,
    owner int8 NOT NULL,
    type text NOT NULL,
    id text NOT NULL,
    kind text NOT NULL,
    image int8 NOT NULL,
    PRIMARY KEY (bucket, tenant, owner, type, id, kind)
);

ALTER TABLE attachments ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON attachments USING (tenant = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON attachments TO tintype_app;

-- Whose the caller was, so that what they were answered goes with their account: it lies in the account's bucket.
ALTER TABLE idempotency_keys ADD COLUMN account int8;

-- Whom a deleted account was followed by.
CREATE INDEX follows_out_by_followee ON follows_out (tenant, followee);
