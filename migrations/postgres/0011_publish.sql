-- Events that applications publish in transactions of their own. The transaction that stores an event removes its row.
-- Times are microseconds since the Unix epoch.
CREATE TABLE pushi_publish (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The id or the key of the app.
    app TEXT COLLATE "C" NOT NULL,
    channel TEXT NOT NULL,
    event TEXT NOT NULL DEFAULT 'message',
    -- Text, or JSON as text.
    data TEXT,
    -- Whether the event is stored.
    persist BOOLEAN NOT NULL DEFAULT TRUE,
    -- A JSON object of further members of the event.
    extra TEXT,
    created BIGINT NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX pushi_publish_app ON pushi_publish (app, id);

-- Wakes the server at the commit of the transaction that inserted.
CREATE FUNCTION pushi_publish_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.pg_notify('pushi_publish', TG_TABLE_SCHEMA);
    RETURN NULL;
END
$$;
CREATE TRIGGER pushi_publish_inserted AFTER INSERT ON pushi_publish
    FOR EACH STATEMENT EXECUTE FUNCTION pushi_publish_inserted();

-- Rows that cannot be published, with the reason.
CREATE TABLE pushi_publish_failed (
    id BIGINT PRIMARY KEY,
    app TEXT NOT NULL,
    channel TEXT,
    event TEXT,
    data TEXT,
    persist BOOLEAN,
    extra TEXT,
    created BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX pushi_publish_failed_time ON pushi_publish_failed (failed);

-- One row: the node that publishes the rows, and until when.
CREATE TABLE publish_lease (holder TEXT COLLATE "C" NOT NULL, held_until BIGINT NOT NULL);
INSERT INTO publish_lease (holder, held_until) VALUES ('', 0);
