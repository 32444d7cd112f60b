-- Files that clients upload, batches of requests, and what came of each request of a running batch.
CREATE TABLE files (
    owner      TEXT NOT NULL,
    id         TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    info       TEXT NOT NULL,
    content    BLOB NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT;
CREATE INDEX files_by_age ON files (created_at);

CREATE TABLE batches (
    owner      TEXT NOT NULL,
    id         TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at   INTEGER,
    batch      TEXT NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT;
CREATE INDEX batches_under_way ON batches (created_at) WHERE ended_at IS NULL;

CREATE TABLE batch_lines (
    batch_id TEXT NOT NULL,
    line     INTEGER NOT NULL,
    is_error INTEGER NOT NULL,
    text     TEXT NOT NULL,
    PRIMARY KEY (batch_id, line)
) STRICT, WITHOUT ROWID;
