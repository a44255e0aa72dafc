-- The targets of a channel, and the registrations of an address.
CREATE INDEX targets_channel ON targets (app, kind, channel, id);
CREATE INDEX targets_address ON targets (app, kind, address, id);

-- Events whose targets are not all in the outbox yet. `publish` is what the events of one publish have in common.
CREATE TABLE due_publishes (
    app BIGINT NOT NULL,
    event BIGINT NOT NULL,
    publish TEXT COLLATE "C" NOT NULL,
    cursor TEXT COLLATE "C",
    holder TEXT COLLATE "C" NOT NULL,
    held_until BIGINT NOT NULL,
    PRIMARY KEY (app, event)
);

-- The kind of the targets that an address belongs to; empty: a web hook of the app.
ALTER TABLE outbox_queues ADD COLUMN target TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX outbox_queues_target ON outbox_queues (target, due);
DROP INDEX outbox_queues_due;
ALTER TABLE outbox_notices ADD COLUMN publish TEXT COLLATE "C";
CREATE INDEX outbox_notices_publish ON outbox_notices (queue, publish) WHERE publish IS NOT NULL;
ALTER TABLE outbox_deliveries ADD COLUMN target TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE outbox_deliveries ADD COLUMN publish TEXT COLLATE "C";
ALTER TABLE outbox_deliveries ADD COLUMN channel TEXT COLLATE "C";
ALTER TABLE outbox_deliveries ADD COLUMN event TEXT COLLATE "C";
ALTER TABLE outbox_deliveries ADD COLUMN created BIGINT;
CREATE INDEX outbox_deliveries_target ON outbox_deliveries (app, target, id);
CREATE INDEX outbox_deliveries_publish ON outbox_deliveries (app, address, publish) WHERE publish IS NOT NULL;
