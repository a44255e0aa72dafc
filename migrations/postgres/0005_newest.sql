-- The id of a channel's newest event, so that an inbox knows which of its channels to read; 0: not known.
ALTER TABLE channels ADD COLUMN newest BIGINT NOT NULL DEFAULT 0;
-- The same of the event at upto_serial.
ALTER TABLE intervals ADD COLUMN newest BIGINT NOT NULL DEFAULT 0;
