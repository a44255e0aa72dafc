-- Who else is notified of a channel; kept for later work. The kinds are the names of the original's collections.
CREATE TABLE targets (
    app BIGINT NOT NULL,
    id BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,
    address TEXT NOT NULL,
    p256dh TEXT,
    auth TEXT,
    created BIGINT NOT NULL,
    PRIMARY KEY (app, id, kind)
);
