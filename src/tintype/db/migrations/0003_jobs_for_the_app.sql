-- Procrastinate's trigger sends a NOTIFY in every transaction that enqueues, and NOTIFY holds a lock of the whole database
-- until that transaction's commit is on disk: uploads would commit one at a time. The committing process wakes the
-- workers itself instead, once for many jobs (`db/notify.py`); polling is the net beneath.

DROP TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 ON procrastinate_jobs;

GRANT SELECT, INSERT, UPDATE, DELETE
    ON procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers, procrastinate_workers TO tintype_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA tintype TO tintype_app;
