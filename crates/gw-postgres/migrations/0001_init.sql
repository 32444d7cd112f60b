-- Everything lives in the schema `gateway`, so that a database shared with other programs holds no
-- surprise for them or for us. Times are milliseconds since 1970, JSON is text (PostgreSQL's own JSON
-- types refuse \u0000). Text is compared by its bytes, as everywhere in the gateway.

CREATE TABLE gateway.conversations (
    id         TEXT COLLATE "C" PRIMARY KEY,
    user_id    TEXT,
    project_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    metadata   TEXT NOT NULL DEFAULT '{}'
);

-- By its beginning: an index takes no long text.
CREATE INDEX conversations_user_id ON gateway.conversations (left(user_id, 200));

CREATE TABLE gateway.messages (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation_id TEXT COLLATE "C" NOT NULL REFERENCES gateway.conversations (id) ON DELETE CASCADE,
    role            TEXT NOT NULL,
    content         TEXT NOT NULL,
    metadata        TEXT NOT NULL DEFAULT '{}',
    created_at      BIGINT NOT NULL,
    -- The whole turn as JSON where it is more than one text.
    message         TEXT
);

CREATE INDEX messages_conversation_id ON gateway.messages (conversation_id, id);

CREATE TABLE gateway.context_summaries (
    conversation_id TEXT COLLATE "C" NOT NULL REFERENCES gateway.conversations (id) ON DELETE CASCADE,
    version         BIGINT NOT NULL,
    summary         TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    metadata        TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (conversation_id, version)
);

CREATE TABLE gateway.todo_lists (
    conversation_id TEXT COLLATE "C" PRIMARY KEY REFERENCES gateway.conversations (id) ON DELETE CASCADE,
    todo_data       TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);

-- No reference to conversations: what was paid stays on the books when a conversation is deleted.
CREATE TABLE gateway.llm_calls (
    id              TEXT COLLATE "C" PRIMARY KEY,
    conversation_id TEXT,
    model_id        TEXT NOT NULL,
    layer           TEXT,
    input_tokens    BIGINT NOT NULL,
    output_tokens   BIGINT NOT NULL,
    -- Dollars, for readers that want a plain number; cost_pico is the truth. Both are NULL where the
    -- price is not known.
    estimated_cost  DOUBLE PRECISION,
    duration_ms     BIGINT NOT NULL,
    success         BOOLEAN NOT NULL,
    created_at      BIGINT NOT NULL,
    cost_pico       BIGINT,
    -- reported, catalogue, estimated or unpriced.
    cost_state      TEXT NOT NULL,
    unpriced_reason TEXT,
    cached          BOOLEAN NOT NULL,
    demo            BOOLEAN NOT NULL,
    stream          BOOLEAN NOT NULL,
    first_token_ms  BIGINT,
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
    metadata        TEXT NOT NULL DEFAULT '{}',
    -- Every account the call went on, as a JSON array of kind:id.
    scopes          TEXT NOT NULL DEFAULT '[]',
    -- About how much the row takes, for the cap on all rows together.
    row_bytes       BIGINT NOT NULL
);

CREATE INDEX llm_calls_conversation_id ON gateway.llm_calls (left(conversation_id, 200));
CREATE INDEX llm_calls_created_at ON gateway.llm_calls (created_at, id);
CREATE INDEX llm_calls_user_id ON gateway.llm_calls (left(user_id, 200), created_at);

-- Bytes of the rows of llm_calls together.
CREATE TABLE gateway.store_sizes (
    name  TEXT PRIMARY KEY,
    bytes BIGINT NOT NULL
);

INSERT INTO gateway.store_sizes (name, bytes) VALUES ('llm_calls', 0);

CREATE TABLE gateway.api_keys (
    id           TEXT COLLATE "C" PRIMARY KEY,
    created_at   BIGINT NOT NULL,
    revoked_at   BIGINT,
    last_used_at BIGINT,
    shown        TEXT NOT NULL,
    -- Everything else, as JSON.
    record       TEXT NOT NULL
);

-- Hashes only: no secret of a key is ever written.
CREATE TABLE gateway.api_key_secrets (
    hash     BYTEA PRIMARY KEY,
    key_id   TEXT COLLATE "C" NOT NULL REFERENCES gateway.api_keys (id) ON DELETE CASCADE,
    until_ms BIGINT
);

CREATE INDEX api_key_secrets_key_id ON gateway.api_key_secrets (key_id);

-- Organisations, teams, users and projects.
CREATE TABLE gateway.scopes (
    kind TEXT COLLATE "C" NOT NULL,
    id   TEXT COLLATE "C" NOT NULL,
    node TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE TABLE gateway.budgets (
    id         TEXT COLLATE "C" PRIMARY KEY,
    definition TEXT NOT NULL
);

CREATE TABLE gateway.limits (
    id         TEXT COLLATE "C" PRIMARY KEY,
    definition TEXT NOT NULL
);

-- What each account spent, one row for each slot of five minutes in which its calls began. Slots that
-- are too old for any window are added up in one row with slot_ms = the smallest number there is, so
-- that all rows of an account together are its lifetime. Written in the transaction that keeps the
-- call's record: a record and its spending are there both or not at all.
CREATE TABLE gateway.spending (
    kind    TEXT COLLATE "C" NOT NULL,
    id      TEXT COLLATE "C" NOT NULL,
    slot_ms BIGINT NOT NULL,
    pico    BIGINT NOT NULL,
    tokens  BIGINT NOT NULL,
    calls   BIGINT NOT NULL,
    PRIMARY KEY (kind, id, slot_ms)
);

CREATE INDEX spending_slot_ms ON gateway.spending (slot_ms);

-- Sums that outlive the rows of llm_calls. Empty text: none. The hash stands for all the columns of
-- the group, which together may be longer than an index takes.
CREATE TABLE gateway.usage_rollups (
    hour_ms            BIGINT NOT NULL,
    group_hash         TEXT COLLATE "C" NOT NULL,
    model_id           TEXT COLLATE "C" NOT NULL,
    layer              TEXT COLLATE "C" NOT NULL,
    key_id             TEXT COLLATE "C" NOT NULL,
    user_id            TEXT COLLATE "C" NOT NULL,
    project_id         TEXT COLLATE "C" NOT NULL,
    tags               TEXT[] COLLATE "C" NOT NULL,
    calls              BIGINT NOT NULL,
    failed_calls       BIGINT NOT NULL,
    cached_calls       BIGINT NOT NULL,
    unpriced_calls     BIGINT NOT NULL,
    input_tokens       BIGINT NOT NULL,
    cache_read_tokens  BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens      BIGINT NOT NULL,
    reasoning_tokens   BIGINT NOT NULL,
    pico               BIGINT NOT NULL,
    duration_ms        BIGINT NOT NULL,
    PRIMARY KEY (hour_ms, group_hash)
);

-- Each process of the gateway, with its last sign of life.
CREATE TABLE gateway.instances (
    id            TEXT COLLATE "C" PRIMARY KEY,
    name          TEXT NOT NULL,
    started_at_ms BIGINT NOT NULL,
    heartbeat_at  TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- The number of the last write of each process that is committed: a write that comes again, from its
-- journal, is known by it. Apart from instances, because a transaction that hangs holds its row.
CREATE TABLE gateway.journal_marks (
    instance_id TEXT COLLATE "C" PRIMARY KEY,
    last_seq    BIGINT NOT NULL,
    moved_at    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- What each process spent, as totals; in the same transaction as spending.
CREATE TABLE gateway.instance_spending (
    instance_id TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    id          TEXT COLLATE "C" NOT NULL,
    slot_ms     BIGINT NOT NULL,
    pico        BIGINT NOT NULL,
    tokens      BIGINT NOT NULL,
    calls       BIGINT NOT NULL,
    PRIMARY KEY (instance_id, kind, id, slot_ms)
);

CREATE INDEX instance_spending_slot_ms ON gateway.instance_spending (slot_ms);

-- Grows with every change of keys, accounts, budgets and limits, whoever makes it, in the transaction
-- that makes it; whoever listens on gateway_changed is told.
CREATE TABLE gateway.definitions (
    is_only  BOOLEAN PRIMARY KEY DEFAULT true CHECK (is_only),
    revision BIGINT NOT NULL
);

INSERT INTO gateway.definitions (revision) VALUES (1);

CREATE FUNCTION gateway.note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE gateway.definitions SET revision = revision + 1;
    PERFORM pg_notify('gateway_changed', '');
    RETURN NULL;
END
$$;

-- Not last_used_at: it changes with every minute of use.
CREATE TRIGGER note_change AFTER INSERT OR DELETE OR UPDATE OF revoked_at, shown, record
    ON gateway.api_keys FOR EACH STATEMENT EXECUTE FUNCTION gateway.note_change();
CREATE TRIGGER note_change AFTER INSERT OR DELETE OR UPDATE
    ON gateway.api_key_secrets FOR EACH STATEMENT EXECUTE FUNCTION gateway.note_change();
CREATE TRIGGER note_change AFTER INSERT OR DELETE OR UPDATE
    ON gateway.scopes FOR EACH STATEMENT EXECUTE FUNCTION gateway.note_change();
CREATE TRIGGER note_change AFTER INSERT OR DELETE OR UPDATE
    ON gateway.budgets FOR EACH STATEMENT EXECUTE FUNCTION gateway.note_change();
CREATE TRIGGER note_change AFTER INSERT OR DELETE OR UPDATE
    ON gateway.limits FOR EACH STATEMENT EXECUTE FUNCTION gateway.note_change();

-- The sum, held at the ends of the range: an overflow never turns a debt into a credit.
CREATE FUNCTION gateway.plus(a BIGINT, b BIGINT) RETURNS BIGINT LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN b >= 0 AND a > 9223372036854775807 - b THEN 9223372036854775807
        WHEN b < 0 AND a < -9223372036854775807 - b THEN -9223372036854775807
        ELSE a + b
    END
$$;

-- A wide sum within the range of a column.
CREATE FUNCTION gateway.within(wide NUMERIC) RETURNS BIGINT LANGUAGE sql IMMUTABLE AS $$
    SELECT least(greatest(wide, -9223372036854775807), 9223372036854775807)::bigint
$$;
