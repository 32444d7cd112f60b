-- Keys, the accounts above them, budgets, limits, what was spent, and sums of usage by the hour.

-- Every account a call went on, as a JSON array of kind:id.
ALTER TABLE llm_calls ADD COLUMN scopes TEXT NOT NULL DEFAULT '[]';
-- About how much the row takes, for the cap on all rows together.
ALTER TABLE llm_calls ADD COLUMN row_bytes INTEGER NOT NULL DEFAULT 512;

CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY NOT NULL,
    created_at   INTEGER NOT NULL,
    revoked_at   INTEGER,
    last_used_at INTEGER,
    -- Everything else, as JSON.
    record       TEXT NOT NULL
) STRICT;

-- Hashes only: no secret of a key is ever written.
CREATE TABLE api_key_secrets (
    hash     BLOB PRIMARY KEY NOT NULL,
    key_id   TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    until_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX api_key_secrets_key_id ON api_key_secrets (key_id);

-- Organisations, teams, users and projects.
CREATE TABLE scopes (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    node TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE budgets (
    id         TEXT PRIMARY KEY NOT NULL,
    definition TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE limits (
    id         TEXT PRIMARY KEY NOT NULL,
    definition TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What each account spent, one row for each slot of five minutes in which its calls began. Slots that
-- are too old for any window are added up in one row with slot_ms = the smallest number there is, so
-- that all rows of an account together are its lifetime. Written in the transaction that keeps the
-- call's record: a record and its spending are there both or not at all.
CREATE TABLE spending (
    kind    TEXT NOT NULL,
    id      TEXT NOT NULL,
    slot_ms INTEGER NOT NULL,
    pico    INTEGER NOT NULL,
    tokens  INTEGER NOT NULL,
    calls   INTEGER NOT NULL,
    PRIMARY KEY (kind, id, slot_ms)
) STRICT, WITHOUT ROWID;

CREATE INDEX spending_slot_ms ON spending (slot_ms);

-- Sums that outlive the rows of llm_calls. Empty text: none. Tags are a JSON array, sorted.
CREATE TABLE usage_rollups (
    hour_ms            INTEGER NOT NULL,
    model_id           TEXT NOT NULL,
    layer              TEXT NOT NULL,
    key_id             TEXT NOT NULL,
    user_id            TEXT NOT NULL,
    project_id         TEXT NOT NULL,
    tags               TEXT NOT NULL,
    calls              INTEGER NOT NULL,
    failed_calls       INTEGER NOT NULL,
    cached_calls       INTEGER NOT NULL,
    unpriced_calls     INTEGER NOT NULL,
    input_tokens       INTEGER NOT NULL,
    cache_read_tokens  INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_tokens      INTEGER NOT NULL,
    reasoning_tokens   INTEGER NOT NULL,
    pico               INTEGER NOT NULL,
    duration_ms        INTEGER NOT NULL,
    PRIMARY KEY (hour_ms, model_id, layer, key_id, user_id, project_id, tags)
) STRICT, WITHOUT ROWID;

-- Bytes of the rows of llm_calls together.
CREATE TABLE store_sizes (
    name  TEXT PRIMARY KEY NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO store_sizes (name, bytes) SELECT 'llm_calls', count(*) * 512 FROM llm_calls;

-- Calls that were kept before there were sums. Halves are summed apart: SQLite refuses sums beyond
-- 64 bits.
INSERT INTO usage_rollups
SELECT created_at - ((created_at % 3600000) + 3600000) % 3600000, model_id, coalesce(layer, ''),
       coalesce(key_id, ''), coalesce(user_id, ''), coalesce(project_id, ''), '[]',
       count(*), sum(success = 0), sum(cached), sum(cost_pico IS NULL),
       CASE WHEN abs(total(input_tokens)) < 9e18 THEN (coalesce(sum(input_tokens >> 32), 0) << 32) + coalesce(sum(input_tokens & 4294967295), 0) ELSE 9000000000000000000 END,
       0, 0,
       CASE WHEN abs(total(output_tokens)) < 9e18 THEN (coalesce(sum(output_tokens >> 32), 0) << 32) + coalesce(sum(output_tokens & 4294967295), 0) ELSE 9000000000000000000 END,
       0,
       CASE WHEN abs(total(cost_pico)) < 9e18 THEN (coalesce(sum(cost_pico >> 32), 0) << 32) + coalesce(sum(cost_pico & 4294967295), 0) ELSE 9000000000000000000 END,
       CASE WHEN abs(total(duration_ms)) < 9e18 THEN (coalesce(sum(duration_ms >> 32), 0) << 32) + coalesce(sum(duration_ms & 4294967295), 0) ELSE 9000000000000000000 END
FROM llm_calls
GROUP BY 1, 2, 3, 4, 5, 6;

INSERT INTO spending
SELECT kind, account, slot_ms,
       CASE WHEN abs(total(cost_pico)) < 9e18 THEN (coalesce(sum(cost_pico >> 32), 0) << 32) + coalesce(sum(cost_pico & 4294967295), 0) ELSE 9000000000000000000 END,
       CASE WHEN abs(total(tokens)) < 9e18 THEN (coalesce(sum(tokens >> 32), 0) << 32) + coalesce(sum(tokens & 4294967295), 0) ELSE 9000000000000000000 END,
       count(*)
FROM (
    SELECT accounts.kind AS kind,
           CASE accounts.kind
               WHEN 'user' THEN user_id
               WHEN 'key' THEN key_id
               WHEN 'project' THEN project_id
               ELSE conversation_id
           END AS account,
           created_at - ((created_at % 300000) + 300000) % 300000 AS slot_ms,
           cost_pico,
           min(input_tokens, 4000000000000000000) + min(output_tokens, 4000000000000000000) AS tokens
    FROM llm_calls,
         (SELECT 'user' AS kind UNION ALL SELECT 'key' UNION ALL SELECT 'project'
          UNION ALL SELECT 'conversation') AS accounts
)
WHERE account IS NOT NULL AND account <> ''
GROUP BY 1, 2, 3;
