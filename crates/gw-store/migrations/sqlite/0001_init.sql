-- Times are milliseconds since 1970, JSON is text, booleans are 0 and 1.
-- In llm_calls the long columns stand last, so that sums never read their overflow pages.

CREATE TABLE conversations (
    id         TEXT PRIMARY KEY NOT NULL,
    user_id    TEXT,
    project_id TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    metadata   TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE INDEX conversations_user_id ON conversations (user_id);
CREATE INDEX conversations_updated_at ON conversations (updated_at);

CREATE TABLE messages (
    id              INTEGER PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    role            TEXT NOT NULL,
    content         TEXT NOT NULL,
    metadata        TEXT NOT NULL DEFAULT '{}',
    created_at      INTEGER NOT NULL,
    -- The whole turn as JSON where it is more than one text.
    message         TEXT
) STRICT;

CREATE INDEX messages_conversation_id ON messages (conversation_id, id);
CREATE INDEX messages_created_at ON messages (created_at);

CREATE TABLE context_summaries (
    id              INTEGER PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    summary         TEXT NOT NULL,
    version         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    metadata        TEXT NOT NULL DEFAULT '{}',
    UNIQUE (conversation_id, version)
) STRICT;

-- No reference to conversations: what was paid stays on the books when a conversation is deleted.
CREATE TABLE llm_calls (
    id              TEXT PRIMARY KEY NOT NULL,
    conversation_id TEXT,
    model_id        TEXT NOT NULL,
    layer           TEXT,
    input_tokens    INTEGER NOT NULL,
    output_tokens   INTEGER NOT NULL,
    -- Dollars, for readers that want a plain number; cost_pico is the truth. Both are NULL where
    -- the price is not known.
    estimated_cost  REAL,
    duration_ms     INTEGER NOT NULL,
    success         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    cost_pico       INTEGER,
    -- reported, catalogue, estimated or unpriced.
    cost_state      TEXT NOT NULL,
    unpriced_reason TEXT,
    cached          INTEGER NOT NULL,
    demo            INTEGER NOT NULL,
    stream          INTEGER NOT NULL,
    first_token_ms  INTEGER,
    user_id         TEXT,
    project_id      TEXT,
    key_id          TEXT,
    door            TEXT NOT NULL,
    provider        TEXT NOT NULL,
    model           TEXT NOT NULL,
    requested_model TEXT NOT NULL,
    task            TEXT NOT NULL,
    complexity      TEXT NOT NULL,
    -- ok, cancelled, or the error's code; only a failed call has an error_message.
    status          TEXT NOT NULL,
    error_message   TEXT,
    route_reason    TEXT NOT NULL,
    usage           TEXT NOT NULL,
    attempts        TEXT NOT NULL,
    metadata        TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE INDEX llm_calls_conversation_id ON llm_calls (conversation_id);
CREATE INDEX llm_calls_created_at ON llm_calls (created_at, id);
CREATE INDEX llm_calls_user_id ON llm_calls (user_id, created_at);

CREATE TABLE todo_lists (
    conversation_id TEXT PRIMARY KEY NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    todo_data       TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;
