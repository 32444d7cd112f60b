-- Calls are added to the sums some time after they were kept. This is the rowid up to which they are:
-- all that stand there now.
INSERT INTO store_sizes (name, bytes)
SELECT 'llm_calls_summed_rowid', coalesce(max(rowid), 0) FROM llm_calls
WHERE true
ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes;
