-- Events whose targets are not all in the outbox yet, and which no node has claimed: those of an app with numbers from `first` to
-- `last`. Batches do not overlap. One with the largest `last` is open: the events that are stored from now on belong to it, so
-- that storing them writes no mark. An event is moved to due_publishes when it is claimed; its `publish` is the one of the
-- event, or else its mid. Events that are due with another one are in due_publishes from the beginning.
CREATE TABLE due_batches (
    app INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (app, first)
) STRICT, WITHOUT ROWID;
