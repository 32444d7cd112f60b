-- What answers from the gateway's own cache had cost when a model gave them.

-- NULL: no such answer, or no known price.
ALTER TABLE llm_calls ADD COLUMN response_cache_saved_pico INTEGER;
ALTER TABLE usage_rollups ADD COLUMN response_cache_saved_pico INTEGER NOT NULL DEFAULT 0;

-- Answers that outlive a restart. Times are milliseconds since 1970.
CREATE TABLE hot_entries (
    key        TEXT    NOT NULL PRIMARY KEY,
    value      BLOB    NOT NULL,
    kept_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX hot_entries_expires_at ON hot_entries (expires_at);
CREATE INDEX hot_entries_kept_at ON hot_entries (kept_at);

INSERT INTO store_sizes (name, bytes) VALUES ('hot_entries', 0);

CREATE TRIGGER hot_entries_in AFTER INSERT ON hot_entries BEGIN
    UPDATE store_sizes SET bytes = bytes + length(NEW.value) + length(NEW.key)
    WHERE name = 'hot_entries';
END;

CREATE TRIGGER hot_entries_out AFTER DELETE ON hot_entries BEGIN
    UPDATE store_sizes SET bytes = bytes - length(OLD.value) - length(OLD.key)
    WHERE name = 'hot_entries';
END;
