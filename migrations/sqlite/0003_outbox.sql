-- What webhooks are to be told: a queue for each address of an app that has something waiting.
CREATE TABLE outbox_queues (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL,
    address TEXT NOT NULL,
    due INTEGER NOT NULL,
    holder TEXT NOT NULL,
    held_until INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    -- How the last attempt failed; 0: without an answer.
    status INTEGER NOT NULL,
    problem TEXT,
    UNIQUE (app, address)
) STRICT;
CREATE INDEX outbox_queues_due ON outbox_queues (due);

CREATE TABLE outbox_notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL,
    -- Where it waits; 0: it was given up with the delivery.
    queue INTEGER NOT NULL,
    delivery INTEGER NOT NULL,
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    user_id TEXT,
    event TEXT,
    data TEXT,
    socket TEXT,
    count INTEGER NOT NULL,
    time INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_notices_queue ON outbox_notices (queue, id);
CREATE INDEX outbox_notices_delivery ON outbox_notices (delivery, id);
CREATE INDEX outbox_notices_app ON outbox_notices (app, id);

-- Who is where, as far as webhooks were told; the channel itself has the user ''.
CREATE TABLE outbox_marks (
    app INTEGER NOT NULL,
    channel TEXT NOT NULL,
    user_id TEXT NOT NULL,
    PRIMARY KEY (app, channel, user_id)
) STRICT, WITHOUT ROWID;

-- What became of it.
CREATE TABLE outbox_deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL,
    address TEXT NOT NULL,
    time INTEGER NOT NULL,
    notices INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    status INTEGER NOT NULL,
    problem TEXT,
    given_up INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_deliveries_app ON outbox_deliveries (app, id);
CREATE INDEX outbox_deliveries_time ON outbox_deliveries (given_up, time);
