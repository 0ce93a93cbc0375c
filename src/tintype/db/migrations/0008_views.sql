-- Views: how often each image was served large, per day and in all.
--
-- A popular image is counted by many processes at once, so its counts lie in slots that are summed when they are read.
-- A batch is what one process counted in one interval; its name is recorded in the statement that adds it up, so that a
-- batch whose commit was not heard of may be sent again.

CREATE TABLE view_days (
    bucket int2 NOT NULL,
    image int8 NOT NULL,
    day date NOT NULL, -- UTC
    slot int2 NOT NULL,
    tenant int8 NOT NULL,
    views int8 NOT NULL CHECK (views > 0),
    PRIMARY KEY (bucket, image, day, slot)
);

CREATE TABLE view_totals (
    bucket int2 NOT NULL,
    image int8 NOT NULL,
    slot int2 NOT NULL,
    tenant int8 NOT NULL,
    views int8 NOT NULL CHECK (views > 0),
    PRIMARY KEY (bucket, image, slot)
);

-- Not sharded by image, for a batch has many; few rows, for those that nobody can send again are swept.
CREATE TABLE view_batches (
    tenant int8 NOT NULL,
    batch uuid NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, batch)
);

ALTER TABLE view_days ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON view_days USING (tenant = current_tenant());
ALTER TABLE view_totals ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON view_totals USING (tenant = current_tenant());
ALTER TABLE view_batches ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON view_batches USING (tenant = current_tenant());

GRANT SELECT, INSERT, UPDATE, DELETE ON view_days, view_totals, view_batches TO tintype_app;
