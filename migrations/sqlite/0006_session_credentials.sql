-- The digest of the secret that opened a session, in hex, keyed with the session's token. Sessions from before have none
-- and end: nothing shows which secret opened them.
DELETE FROM sessions;
ALTER TABLE sessions ADD COLUMN credential TEXT;
