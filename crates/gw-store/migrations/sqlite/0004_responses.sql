-- Responses kept for clients that continue them by their id. Times are milliseconds since 1970.
-- input holds the items of this turn alone; the turns before are found by previous_id.

CREATE TABLE responses (
    owner       TEXT NOT NULL,
    id          TEXT NOT NULL,
    previous_id TEXT,
    created_at  INTEGER NOT NULL,
    row_bytes   INTEGER NOT NULL,
    input       TEXT NOT NULL,
    response    TEXT NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT;

CREATE INDEX responses_created_at ON responses (created_at);

-- Which response gave an output item: clients refer to items by their ids.
CREATE TABLE response_items (
    owner       TEXT NOT NULL,
    item_id     TEXT NOT NULL,
    response_id TEXT NOT NULL,
    PRIMARY KEY (owner, item_id),
    FOREIGN KEY (owner, response_id) REFERENCES responses (owner, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX response_items_response_id ON response_items (owner, response_id);

INSERT INTO store_sizes (name, bytes) VALUES ('responses', 0);
