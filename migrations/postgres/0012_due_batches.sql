-- Events whose targets are not all in the outbox yet, and which no node has claimed: those of an app and of one commit, in order.
-- An event is moved to due_publishes when it is claimed; its `publish` is the one of the event, or else its mid. Events that are
-- due with another one are in due_publishes from the beginning.
CREATE TABLE due_batches (
    app BIGINT NOT NULL,
    first BIGINT NOT NULL,
    events BIGINT[] NOT NULL,
    PRIMARY KEY (app, first)
);
