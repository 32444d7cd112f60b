-- Whose a conversation is, and how conversations are listed.
ALTER TABLE conversations ADD COLUMN owner TEXT;

CREATE INDEX conversations_owner ON conversations (owner, updated_at);
