-- What answers from the gateway's own cache had cost when a model gave them.

-- NULL: no such answer, or no known price.
ALTER TABLE gateway.llm_calls ADD COLUMN response_cache_saved_pico bigint;
ALTER TABLE gateway.usage_rollups ADD COLUMN response_cache_saved_pico bigint NOT NULL DEFAULT 0;
