"""`pushi copy` takes over a database of the original that no server of ours has seen."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.app import App
from fixtures.original import Original, drop_database, new_database
from fixtures.server import BINARY, Server
from fixtures.stores import new_store
from fixtures.tool import run


@pytest.mark.parametrize("to", ["sqlite", "postgres"])
def test_what_the_original_stored_moves(to: str, launch: Callable[..., Server], tmp_path: Path) -> None:
    database = new_database()
    original = Original(tmp_path, database).start()
    created = original.call("POST", "/apps", {"name": "moves"})
    sid = original.login(created)
    original.call("POST", "/subscriptions", {"user_id": "ann", "event": "news"}, sid=sid)
    original.call("POST", "/subscriptions", {"user_id": "bo", "event": "left"}, sid=sid)
    for kind, target in (("webs", {"url": "https://shop.example/hook"}), ("smtps", {"email": "ann@shop.example"})):
        original.call("POST", f"/{kind}", {**target, "event": "news"}, sid=sid)
    original.publish(sid, "news", "one", "two")
    original.publish(sid, "left", "for bo")
    # The original stores the receivers of an event asynchronously; this last event has none.
    original.publish(sid, "global", "aside")
    original.call("DELETE", "/subscriptions/bo/left", sid=sid)
    original.publish(sid, "left", "not for bo")
    original.publish(sid, "news", "three")
    original.publish(sid, "global", "aside again")
    original.close()

    with new_store(to, tmp_path) as url:
        printed = run(BINARY, "copy", "--from", database, "--to", url, cwd=tmp_path)
        counted = dict(line.rsplit(maxsplit=1) for line in printed.splitlines()[:-1])
        assert counted == {
            "apps": "1",
            "channels": "3",
            "events": "7",
            "subscriptions": "1",
            "intervals": "2",
            "cached events": "0",
            "targets": "2",
            "due events": "0",
            "notifications": "0",
        }
        server = launch(DATABASE_URL=url)
        app = App(server, created)
        reader = app.connect_to("news")
        history = [(event["serial"], event["data"]["data"]) for event in reader.latest("news")]
        assert history == [(3, "three"), (2, "two"), (1, "one")]
        assert reader.latest("news")[0]["data"]["note"] == "old"

        def inbox(user: str) -> list[str]:
            return [event["data"]["data"] for event in app.connect().subscribe(f"personal-{user}")["events"]]

        assert (inbox("ann"), inbox("bo")) == (["three", "two", "one"], ["for bo"])
        app.publish("news", "four")
        assert reader.expect("message", "news")["serial"] == 4
        app.publish("left", "nor this")
        assert (inbox("ann"), inbox("bo")) == (["four", "three", "two", "one"], ["for bo"])
        app.close()
        server.stop()
    drop_database(database)
