-- The last event of each cache channel.
CREATE TABLE cache (
    app BIGINT NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,
    mid TEXT NOT NULL,
    name TEXT NOT NULL,
    data TEXT NOT NULL,
    time BIGINT NOT NULL,
    -- 0: not persisted.
    serial BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (app, channel)
);
CREATE INDEX cache_expires ON cache (expires);
