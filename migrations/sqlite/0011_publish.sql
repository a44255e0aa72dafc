-- Events that applications publish in transactions of their own. The transaction that stores an event removes its row.
-- Times are microseconds since the Unix epoch.
CREATE TABLE pushi_publish (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The id or the key of the app.
    app TEXT NOT NULL CHECK (typeof(app) = 'text'),
    channel TEXT NOT NULL,
    event TEXT NOT NULL DEFAULT 'message',
    -- Text, or JSON as text.
    data TEXT,
    -- Whether the event is stored.
    persist BOOLEAN NOT NULL DEFAULT 1,
    -- A JSON object of further members of the event.
    extra TEXT,
    -- Of functions that old versions have, too: the application's SQLite computes it.
    created INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER))
);
CREATE INDEX pushi_publish_app ON pushi_publish (app, id);

-- Rows that cannot be published, with the reason.
CREATE TABLE pushi_publish_failed (
    id INTEGER PRIMARY KEY,
    app TEXT NOT NULL,
    channel TEXT,
    event TEXT,
    data TEXT,
    persist BOOLEAN,
    extra TEXT,
    created INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX pushi_publish_failed_time ON pushi_publish_failed (failed);

-- One row: the node that publishes the rows, and until when.
CREATE TABLE publish_lease (holder TEXT NOT NULL, held_until INTEGER NOT NULL);
INSERT INTO publish_lease (holder, held_until) VALUES ('', 0);
