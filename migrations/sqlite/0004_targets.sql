-- Who else is notified of a channel; kept for later work. The kinds are the names of the original's collections.
CREATE TABLE targets (
    app INTEGER NOT NULL,
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    p256dh TEXT,
    auth TEXT,
    created INTEGER NOT NULL,
    PRIMARY KEY (app, id, kind)
) STRICT, WITHOUT ROWID;
