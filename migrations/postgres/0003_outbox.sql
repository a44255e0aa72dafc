-- What webhooks are to be told: a queue for each address of an app that has something waiting.
CREATE TABLE outbox_queues (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app BIGINT NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    due BIGINT NOT NULL,
    holder TEXT NOT NULL,
    held_until BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    -- How the last attempt failed; 0: without an answer.
    status BIGINT NOT NULL,
    problem TEXT,
    UNIQUE (app, address)
);
CREATE INDEX outbox_queues_due ON outbox_queues (due);

CREATE TABLE outbox_notices (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app BIGINT NOT NULL,
    -- Where it waits; 0: it was given up with the delivery.
    queue BIGINT NOT NULL,
    delivery BIGINT NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL,
    user_id TEXT,
    event TEXT,
    data TEXT,
    socket TEXT,
    count BIGINT NOT NULL,
    time BIGINT NOT NULL,
    since BIGINT NOT NULL
);
CREATE INDEX outbox_notices_queue ON outbox_notices (queue, id);
CREATE INDEX outbox_notices_delivery ON outbox_notices (delivery, id);
CREATE INDEX outbox_notices_app ON outbox_notices (app, id);

-- Who is where, as far as webhooks were told; the channel itself has the user ''.
CREATE TABLE outbox_marks (
    app BIGINT NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (app, channel, user_id)
);

-- What became of it.
CREATE TABLE outbox_deliveries (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app BIGINT NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    time BIGINT NOT NULL,
    notices BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    status BIGINT NOT NULL,
    problem TEXT,
    given_up BIGINT NOT NULL
);
CREATE INDEX outbox_deliveries_app ON outbox_deliveries (app, id);
CREATE INDEX outbox_deliveries_time ON outbox_deliveries (given_up, time);
