-- What calls saved, usage by provider and team, and up to when rows of calls were removed.

-- NULL: nobody can say.
ALTER TABLE llm_calls ADD COLUMN baseline_pico INTEGER;
ALTER TABLE llm_calls ADD COLUMN prompt_cache_saved_pico INTEGER;

CREATE TABLE new_usage_rollups (
    hour_ms                 INTEGER NOT NULL,
    model_id                TEXT NOT NULL,
    layer                   TEXT NOT NULL,
    provider                TEXT NOT NULL,
    key_id                  TEXT NOT NULL,
    team_id                 TEXT NOT NULL,
    user_id                 TEXT NOT NULL,
    project_id              TEXT NOT NULL,
    tags                    TEXT NOT NULL,
    calls                   INTEGER NOT NULL,
    failed_calls            INTEGER NOT NULL,
    cached_calls            INTEGER NOT NULL,
    unpriced_calls          INTEGER NOT NULL,
    input_tokens            INTEGER NOT NULL,
    cache_read_tokens       INTEGER NOT NULL,
    cache_write_tokens      INTEGER NOT NULL,
    output_tokens           INTEGER NOT NULL,
    reasoning_tokens        INTEGER NOT NULL,
    pico                    INTEGER NOT NULL,
    duration_ms             INTEGER NOT NULL,
    -- Calls with a known cost and a known baseline: how many, what they cost, what they would have.
    compared_calls          INTEGER NOT NULL DEFAULT 0,
    compared_pico           INTEGER NOT NULL DEFAULT 0,
    baseline_pico           INTEGER NOT NULL DEFAULT 0,
    prompt_cache_saved_pico INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (
        hour_ms, model_id, layer, provider, key_id, team_id, user_id, project_id, tags
    )
) STRICT, WITHOUT ROWID;

-- A model id is provider/name.
INSERT INTO new_usage_rollups (
    hour_ms, model_id, layer, provider, key_id, team_id, user_id, project_id, tags, calls,
    failed_calls, cached_calls, unpriced_calls, input_tokens, cache_read_tokens,
    cache_write_tokens, output_tokens, reasoning_tokens, pico, duration_ms
)
SELECT hour_ms, model_id, layer, substr(model_id, 1, max(0, instr(model_id, '/') - 1)), key_id, '',
       user_id, project_id, tags, calls, failed_calls, cached_calls, unpriced_calls, input_tokens,
       cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, pico, duration_ms
FROM usage_rollups;

DROP TABLE usage_rollups;
ALTER TABLE new_usage_rollups RENAME TO usage_rollups;

-- The latest instant of a call whose row was removed; no row where none was. Where rows went before
-- this was noted, they went oldest first: what is older than the oldest row may be missing.
INSERT INTO store_sizes (name, bytes)
SELECT 'llm_calls_removed_until_ms',
       coalesce((SELECT min(created_at) - 1 FROM llm_calls), (SELECT max(hour_ms) FROM usage_rollups))
WHERE (SELECT coalesce(sum(calls), 0) FROM usage_rollups) > (SELECT count(*) FROM llm_calls);
