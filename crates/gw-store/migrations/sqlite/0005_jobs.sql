-- Tool calls that run in the background.
CREATE TABLE tool_jobs (
    id          TEXT PRIMARY KEY,
    owner       TEXT NOT NULL,
    status      TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER,
    job         TEXT NOT NULL
) STRICT;

CREATE INDEX tool_jobs_by_owner ON tool_jobs (owner, created_at);
CREATE INDEX tool_jobs_unfinished ON tool_jobs (created_at) WHERE finished_at IS NULL;
CREATE INDEX tool_jobs_finished ON tool_jobs (finished_at) WHERE finished_at IS NOT NULL;
