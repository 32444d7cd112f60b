-- Responses kept for clients that continue them by their id. Times are milliseconds since 1970.
-- input holds the items of this turn alone; the turns before are found by previous_id.

CREATE TABLE gateway.responses (
    owner       text   NOT NULL,
    id          text   NOT NULL,
    previous_id text,
    created_at  bigint NOT NULL,
    row_bytes   bigint NOT NULL,
    input       text   NOT NULL,
    response    text   NOT NULL,
    PRIMARY KEY (owner, id)
);

CREATE INDEX responses_created_at ON gateway.responses (created_at) INCLUDE (row_bytes);

-- Which response gave an output item: clients refer to items by their ids.
CREATE TABLE gateway.response_items (
    owner       text NOT NULL,
    item_id     text NOT NULL,
    response_id text NOT NULL,
    PRIMARY KEY (owner, item_id),
    FOREIGN KEY (owner, response_id) REFERENCES gateway.responses (owner, id) ON DELETE CASCADE
);

CREATE INDEX response_items_response_id ON gateway.response_items (owner, response_id);
