-- Whose a conversation is, and how conversations are listed.
ALTER TABLE gateway.conversations ADD COLUMN owner TEXT;

CREATE INDEX conversations_owner ON gateway.conversations (left(owner, 200), updated_at);
CREATE INDEX conversations_updated_at ON gateway.conversations (updated_at);
