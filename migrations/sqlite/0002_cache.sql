-- The last event of each cache channel.
CREATE TABLE cache (
    app INTEGER NOT NULL,
    channel TEXT NOT NULL,
    mid TEXT NOT NULL,
    name TEXT NOT NULL,
    data TEXT NOT NULL,
    time INTEGER NOT NULL,
    -- 0: not persisted.
    serial INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (app, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX cache_expires ON cache (expires);
