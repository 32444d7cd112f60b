-- What was said of answers. No reference to llm_calls: an outcome may come before its call is
-- committed, and what was said stays when the call's row goes.
CREATE TABLE outcomes (
    call_id TEXT NOT NULL,
    model   TEXT NOT NULL,
    source  TEXT NOT NULL,
    score   REAL NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (call_id, model, source)
) STRICT, WITHOUT ROWID;
