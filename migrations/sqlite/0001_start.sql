-- Times are microseconds since the Unix epoch. Rows of an app carry its number, which is never given twice; there are
-- no foreign keys, because a deleted app's rows go bit by bit after it (removed_apps).

CREATE TABLE apps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ident TEXT NOT NULL UNIQUE,
    public_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT,
    secret TEXT NOT NULL,
    previous_secret TEXT,
    push TEXT NOT NULL,
    settings TEXT NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;

-- One row: changes with every change of an app.
CREATE TABLE revision (value INTEGER NOT NULL) STRICT;
INSERT INTO revision (value) VALUES (0);

-- Deleted apps that still have rows to be removed.
CREATE TABLE removed_apps (app INTEGER PRIMARY KEY) STRICT;

-- Where each app's numbering of events and subscriptions stands.
CREATE TABLE counters (app INTEGER PRIMARY KEY, last_id INTEGER NOT NULL) STRICT;
CREATE TRIGGER counters_end AFTER DELETE ON apps BEGIN DELETE FROM counters WHERE app = old.id; END;

-- A channel's head outlives its events.
CREATE TABLE channels (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL,
    name TEXT NOT NULL,
    head INTEGER NOT NULL,
    UNIQUE (app, name)
) STRICT;

CREATE TABLE events (
    app INTEGER NOT NULL,
    id INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    mid TEXT NOT NULL,
    time INTEGER NOT NULL,
    publish TEXT,
    owner TEXT,
    name TEXT NOT NULL,
    data TEXT NOT NULL,
    extra TEXT NOT NULL,
    UNIQUE (app, id),
    UNIQUE (channel, serial),
    UNIQUE (mid)
) STRICT;
-- Retention by age.
CREATE INDEX events_time ON events (time);

-- Open subscriptions: what a user's inbox gathers from_serial on (not included).
CREATE TABLE subscriptions (
    app INTEGER NOT NULL,
    id INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    channel INTEGER NOT NULL,
    from_serial INTEGER NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (app, id),
    UNIQUE (app, user_id, channel)
) STRICT;
CREATE INDEX subscriptions_user ON subscriptions (app, user_id, id);
CREATE INDEX subscriptions_channel ON subscriptions (channel, id);

-- What ended subscriptions keep in a user's inbox: (from_serial, upto_serial], never empty, never overlapping.
CREATE TABLE intervals (
    app INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    channel INTEGER NOT NULL,
    from_serial INTEGER NOT NULL,
    upto_serial INTEGER NOT NULL,
    PRIMARY KEY (app, user_id, channel, from_serial)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    hash BLOB PRIMARY KEY,
    app INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_app ON sessions (app);
CREATE INDEX sessions_expires ON sessions (expires);
