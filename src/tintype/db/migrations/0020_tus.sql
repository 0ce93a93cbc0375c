-- What a tus upload has beside its row in `uploads`: what its client said, and who receives bytes of it right now.

SET LOCAL ROLE tintype_owner;
SET LOCAL search_path = tintype;

CREATE TABLE tus_uploads (
    bucket int2 NOT NULL,
    upload int8 NOT NULL,
    tenant int8 NOT NULL,
    metadata text NOT NULL DEFAULT '', -- Upload-Metadata and Upload-Concat as they were sent: HEAD repeats them
    concat text NOT NULL DEFAULT '',
    whole int8, -- of a partial upload: the one that was made of it and others
    epoch int8 NOT NULL DEFAULT 0, -- counts those who took hold of it; bytes of an earlier one do not count
    held boolean NOT NULL DEFAULT false, -- whether the last of them still receives, as far as anybody knows
    asked int8 NOT NULL DEFAULT 0, -- counts requests that want the holder to put down what it has
    answered int8 NOT NULL DEFAULT 0, -- the last of those that it heeded
    PRIMARY KEY (bucket, upload),
    FOREIGN KEY (bucket, upload) REFERENCES uploads ON DELETE CASCADE
);

ALTER TABLE tus_uploads ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON tus_uploads USING (tenant = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON tus_uploads TO tintype_app;
