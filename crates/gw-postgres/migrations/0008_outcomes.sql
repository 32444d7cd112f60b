-- What was said of answers. No reference to llm_calls: an outcome may come before its call is
-- committed, and what was said stays when the call's row goes.
CREATE TABLE gateway.outcomes (
    call_id text             NOT NULL,
    model   text             NOT NULL,
    source  text             NOT NULL,
    score   double precision NOT NULL,
    at      bigint           NOT NULL,
    PRIMARY KEY (call_id, model, source)
);
