-- Targets that are notified only if their user was away: the delay in seconds (-1: they are always notified), and the user.
ALTER TABLE targets ADD COLUMN delay INTEGER NOT NULL DEFAULT -1;
ALTER TABLE targets ADD COLUMN user_id TEXT;
