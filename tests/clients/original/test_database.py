"""A database of the original works without migration, and the original can read the data written by Pushi."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.app import App
from fixtures.original import Original, drop_database, new_database
from fixtures.server import Server


@pytest.fixture
def database() -> Iterator[str]:
    """A separate database."""
    url = new_database()
    yield url
    drop_database(url)


@pytest.fixture
def original(database: str, tmp_path: Path) -> Iterator[Original]:
    """The original on it, not started yet."""
    server = Original(tmp_path, database)
    try:
        yield server
    finally:
        server.close()


def texts(events: list[dict[str, dict[str, str]]]) -> list[str]:
    """The data of events."""
    return [event["data"]["data"] for event in events]


def test_what_the_original_stored_lives_on(original: Original, database: str, launch: Callable[..., Server]) -> None:
    original.start()
    created = original.call("POST", "/apps", {"name": "moved"})
    sid = original.login(created)
    original.call("POST", "/subscriptions", {"user_id": "ann", "event": "news"}, sid=sid)
    original.call("POST", "/webs", {"url": "https://shop.example/hook", "event": "news"}, sid=sid)
    original.publish(sid, "news", "one", "two", "three")
    original.publish(sid, "global", "aside")
    original.stop()

    # Its app's credentials work, its events are there in order, and more can follow.
    server = launch(DATABASE_URL=None, MONGO_URL=database)
    app = App(server, created)
    reader = app.connect_to("news")
    history = reader.latest("news")
    assert [(event["serial"], event["data"]["data"]) for event in history] == [(3, "three"), (2, "two"), (1, "one")]
    assert history[0]["data"]["note"] == "old"
    inbox = app.connect().subscribe("personal-ann")
    assert (inbox["alias"], texts(inbox["events"])) == (["news"], ["three", "two", "one"])
    app.publish("news", "four")
    frame = reader.expect("message", "news")
    assert (frame["data"], frame["serial"]) == ("four", 4)
    inbox = app.connect().subscribe("personal-ann")
    assert texts(inbox["events"]) == ["four", "three", "two", "one"]
    app.follow("bo", "global")
    app.publish("global", "five")
    app.close()
    server.stop()

    # The original again: its own old documents, and our new ones.
    original.start()
    sid = original.login(created)
    assert original.texts(sid) == ["five", "four", "aside", "three", "two", "one"]
    assert original.subscriptions(sid) == [("ann", "news"), ("bo", "global")]
    newest = original.call("GET", "/events", sid=sid, count=1)["events"][0]
    assert (newest["channel"], newest["instance"], len(newest["mid"])) == ("global", created["ident"], 32)
    assert original.call("GET", f"/apps/{created['ident']}", sid=sid)["name"] == "moved"
    original.publish(sid, "news", "six")
    original.publish(sid, "global", "aside again")
    original.stop()

    # Pushi again: events written by the original follow the existing ones.
    server.start()
    app = App(server, created)
    reader = app.connect_to("news")
    newest = [(event["serial"], event["data"]["data"]) for event in reader.latest("news", count=2)]
    assert newest == [(5, "six"), (4, "four")]
    assert texts(app.connect().subscribe("personal-ann")["events"])[:2] == ["six", "four"]
    app.close()


def test_what_is_stored_here_the_original_can_use(
    original: Original, database: str, launch: Callable[..., Server]
) -> None:
    server = launch(DATABASE_URL=None, MONGO_URL=database)
    app = server.create_app("new")
    app.follow("ann", "news")
    app.publish("news", {"number": 1})
    app.publish("news", "second", colour="red")
    app.close()
    server.stop()

    original.start()
    sid = original.login(app.created)
    assert original.texts(sid) == ["second", '{"number":1}']
    assert original.call("GET", "/events", sid=sid, count=1)["events"][0]["data"]["colour"] == "red"
    assert original.subscriptions(sid) == [("ann", "news")]
    # The subscription is effective: new events are sent to its user.
    original.publish(sid, "news", "third")
    original.publish(sid, "global", "aside")
    other = original.call("POST", "/apps", {"name": "made meanwhile"})
    assert other["id"] > app.created["id"]
    original.call("DELETE", "/subscriptions/ann/news", sid=sid)
    assert original.subscriptions(sid) == []
    original.stop()

    server.start()
    again = App(server, app.created)
    assert texts(again.connect_to("news").latest("news")) == ["third", "second", '{"number":1}']
    answer = again.connect().subscribe("personal-ann")
    assert (answer["alias"], "third" in texts(answer["events"])) == ([], True)
    again.follow("ann", "news")
    assert again.connect().subscribe("personal-ann")["alias"] == ["news"]
    again.close()
