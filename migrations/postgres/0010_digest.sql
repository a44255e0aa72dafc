-- For how many seconds the events for an e-mail address are collected for one mail; 0: each has its own.
ALTER TABLE targets ADD COLUMN digest BIGINT NOT NULL DEFAULT 0;
