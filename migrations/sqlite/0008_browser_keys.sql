-- The registrations of a browser, which a new endpoint of it replaces.
CREATE INDEX targets_p256dh ON targets (app, kind, p256dh, id) WHERE p256dh IS NOT NULL;
