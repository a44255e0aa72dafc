"""Rows of `pushi_publish` in SQLite: an application inserts in a transaction of its own, beside its own tables."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

from fixtures.server import Server
from fixtures.waiting import wait_until

INSERT = "INSERT INTO pushi_publish (app, channel, event, data) VALUES (?, ?, ?, ?)"


def connect(server: Server) -> sqlite3.Connection:
    """A connection of the application, without implicit transactions."""
    return sqlite3.connect(server.folder / "pushi.db", timeout=20, isolation_level=None)


def count(server: Server, table: str) -> int:
    """Number of rows in a table."""
    with closing(connect(server)) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_rows_are_published_if_their_transaction_commits(server: Server) -> None:
    app = server.create_app()
    with closing(connect(server)) as database:
        for number in range(6):
            database.execute("BEGIN IMMEDIATE")
            for place in range(3):
                row = (app.key if number % 2 else app.ident, "orders", "created", json.dumps([number, place]))
                database.execute(INSERT, row)
            database.execute("ROLLBACK" if number % 3 == 2 else "COMMIT")
    expected = [[number, place] for number in (0, 1, 3, 4) for place in range(3)]
    wait_until(lambda: len(app.history("orders", count=100)) == len(expected), "the committed rows", 30)
    events = app.history("orders", count=100)
    assert sorted(event["serial"] for event in events) == list(range(1, len(expected) + 1))
    published = [json.loads(event["data"]["data"]) for event in sorted(events, key=lambda event: event["serial"])]
    assert sorted(published) == expected
    for parity in (0, 1):
        of_name = [row for row in published if row[0] % 2 == parity]
        assert of_name == sorted(of_name), "rows that name the app alike keep their order"


def test_bad_rows_are_moved_aside(server: Server) -> None:
    app = server.create_app()
    before = count(server, "pushi_publish_failed")
    rows = [
        (f"no-{app.ident}", "orders", "created", "1"),
        (app.ident, "bad\nname", "created", "2"),
        (app.ident, "orders", "pusher:x", "3"),
        (app.ident, "orders", "created", None),
        (app.ident, "orders", "created", "x" * 300_000),
        (app.ident, "orders", "created", b"\xff\xfe"),
        (app.ident, "orders", "created", "good"),
    ]
    with closing(connect(server)) as database:
        database.executemany(INSERT, rows)
        extra = "INSERT INTO pushi_publish (app, channel, data, extra) VALUES (?, 'orders', '1', ?)"
        database.execute(extra, (app.ident, "no JSON"))
        database.execute(extra, (app.ident, '{"note": [1, 2], "serial": 9}'))
    wait_until(lambda: count(server, "pushi_publish_failed") >= before + 7, "the bad rows", 30)
    wait_until(lambda: len(app.history("orders")) == 2, "the good rows", 30)
    with_extra, good = app.history("orders")
    assert good["data"]["data"] == "good"
    assert with_extra["data"]["note"] == [1, 2] and with_extra["serial"] == 2
    assert with_extra["data"]["event"] == "message"
    rows_health = server.admin.get("/health/detailed").json()["checks"]["publish_rows"]
    assert rows_health["status"] == "ok" and rows_health["failed"] >= 7 and rows_health["last_reason"]


def test_rows_wait_while_the_server_is_down_or_switched_off(launch: Callable[..., Server]) -> None:
    running = launch()
    app = running.create_app()
    running.kill()
    with closing(connect(running)) as database:
        database.execute(INSERT, (app.ident, "orders", "created", "while down"))
    off = launch(PUSHI_SQL_PUBLISH=0)
    assert "PUSHI_SQL_PUBLISH" in off.admin.get("/health/detailed").json()["checks"]["publish_rows"]["error"]
    assert count(off, "pushi_publish") == 1
    off.stop()
    on = launch()
    app.server = on
    wait_until(lambda: count(on, "pushi_publish") == 0, "the row", 30)
    with closing(connect(on)) as database:
        stored = database.execute("SELECT data FROM events").fetchall()
    assert stored == [("while down",)]
