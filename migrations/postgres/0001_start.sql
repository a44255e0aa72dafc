-- Times are microseconds since the Unix epoch. Rows of an app carry its number, which is never given twice; there are
-- no foreign keys, because a deleted app's rows go bit by bit after it (removed_apps). Names are compared byte by byte.

CREATE TABLE apps (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ident TEXT COLLATE "C" NOT NULL UNIQUE,
    public_key TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT,
    secret TEXT NOT NULL,
    previous_secret TEXT,
    push TEXT NOT NULL,
    settings TEXT NOT NULL,
    created BIGINT NOT NULL,
    modified BIGINT NOT NULL
);

-- One row: changes with every change of an app.
CREATE TABLE revision (value BIGINT NOT NULL);
INSERT INTO revision (value) VALUES (0);

-- Deleted apps that still have rows to be removed.
CREATE TABLE removed_apps (app BIGINT PRIMARY KEY);

-- Numbers of events and subscriptions, one after the other: a writer takes them while it holds its channels.
CREATE SEQUENCE ids CACHE 1;

-- A channel's head outlives its events. Room is left on each page, since heads are what changes all the time.
CREATE TABLE channels (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    head BIGINT NOT NULL,
    UNIQUE (app, name)
) WITH (fillfactor = 50);

CREATE TABLE events (
    app BIGINT NOT NULL,
    id BIGINT NOT NULL,
    channel BIGINT NOT NULL,
    serial BIGINT NOT NULL,
    mid TEXT COLLATE "C" NOT NULL,
    time BIGINT NOT NULL,
    publish TEXT,
    owner TEXT,
    name TEXT NOT NULL,
    data TEXT NOT NULL,
    extra TEXT NOT NULL,
    PRIMARY KEY (app, id),
    UNIQUE (channel, serial),
    UNIQUE (mid)
);
-- Retention by age.
CREATE INDEX events_time ON events (time);

-- Open subscriptions: what a user's inbox gathers from_serial on (not included).
CREATE TABLE subscriptions (
    app BIGINT NOT NULL,
    id BIGINT NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    channel BIGINT NOT NULL,
    from_serial BIGINT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (app, id),
    UNIQUE (app, user_id, channel)
);
CREATE INDEX subscriptions_user ON subscriptions (app, user_id, id);
CREATE INDEX subscriptions_channel ON subscriptions (channel, id);

-- What ended subscriptions keep in a user's inbox: (from_serial, upto_serial], never empty, never overlapping.
CREATE TABLE intervals (
    app BIGINT NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    channel BIGINT NOT NULL,
    from_serial BIGINT NOT NULL,
    upto_serial BIGINT NOT NULL,
    PRIMARY KEY (app, user_id, channel, from_serial)
);

CREATE TABLE sessions (
    hash BYTEA PRIMARY KEY,
    app BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX sessions_app ON sessions (app);
CREATE INDEX sessions_expires ON sessions (expires);
