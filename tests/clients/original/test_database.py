"""A database of the original works without migration, and the original can read the data written by Pushi."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fixtures.apns import KEY_ID, TEAM_ID, Apns, new_key
from fixtures.app import App
from fixtures.mail import MailServer
from fixtures.original import PYTHON, Original, drop_database, new_database
from fixtures.push_service import PushService
from fixtures.receiver import Receiver
from fixtures.server import Server
from fixtures.targets import registered
from fixtures.waiting import wait_until


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


# Documents with values that the original's REST API cannot store; another program of the user can.
INSERT = """
import datetime, sys
import bson, pymongo
events = pymongo.MongoClient(sys.argv[1])[sys.argv[2]].pushievent
members = {
    "channel": "news", "event": "message", "data": "stored", "whole": 2.0, "long": bson.Int64(2**53 + 1),
    "at": datetime.datetime(2024, 1, 2, 3, 4, 5, 678000), "day": datetime.datetime(2024, 1, 2),
    "id_of": bson.ObjectId(b"0123456789ab"), "none": None, "of": [{"at": datetime.datetime(2024, 1, 2)}, 1.0, {}],
    "extra": {"a": {"b": None}, "n": 2.5},
}
events.insert_one({"id": 1000, "instance": sys.argv[3], "mid": "stored", "channel": "news", "owner_id": None,
                   "timestamp": 1700000000.25, "data": members})
"""


def test_values_are_answered_as_the_original_does(
    original: Original, database: str, launch: Callable[..., Server]
) -> None:
    original.start()
    created = original.call("POST", "/apps", {"name": "typed"})
    sid = original.login(created)
    body = {"channel": "news", "event": "message", "data": {"a": 1.0}, "n": 2, "f": 2.0, "deep": {"x": {"y": {}}}}
    original.call("POST", "/events", body, sid=sid)
    wait_until(lambda: original.texts(sid), "the event is stored")
    name = urlsplit(database).path.strip("/")
    subprocess.run([PYTHON, "-c", INSERT, database, name, created["ident"]], check=True)
    theirs = original.call("GET", "/events", sid=sid, count=10)["events"]
    original.stop()

    server = launch(DATABASE_URL=None, MONGO_URL=database)
    app = App(server, created)
    ours = app.connect_to("news").latest("news")
    app.close()

    def shown(events: list[dict[str, Any]]) -> list[str]:
        # As text: 2.0 and 2 are the same number.
        return [json.dumps(event["data"], sort_keys=True) for event in events]

    assert len(theirs) == 2
    assert shown(ours) == shown(theirs)


def test_targets_of_the_original_are_notified(
    original: Original, database: str, launch: Callable[..., Server], receiver: Receiver
) -> None:
    key = new_key()
    browser, mail, apple = PushService(), MailServer(), Apns(key)
    device = "a1" * 32
    original.start()
    created = original.call("POST", "/apps", {"name": "moved"})
    sid = original.login(created)
    original.call("POST", "/webs", {"url": receiver.url, "event": "news"}, sid=sid)
    original.call("POST", "/web_pushes", {**browser.subscription, "event": "news"}, sid=sid)
    original.call("POST", "/smtps", {"email": "ann@shop.example", "event": "news"}, sid=sid)
    original.call("POST", "/apns", {"token": device, "event": "news"}, sid=sid)
    original.stop()

    server = launch(DATABASE_URL=None, MONGO_URL=database, PUSHI_WEBHOOK_ALLOW_PRIVATE=1, PUSHI_APNS_URL=apple.url)
    app = App(server, created)
    app.configure(
        apn_key=key,
        apn_key_id=KEY_ID,
        apn_team_id=TEAM_ID,
        smtp_url=f"smtp://127.0.0.1:{mail.port}?sender=shop@shop.example",
        vapid_email="ann@shop.example",
    )
    app.rest.post(f"/apps/{app.ident}/vapid")
    for route, member, address in [
        ("/webs", "url", receiver.url),
        ("/web_pushes", "endpoint", browser.endpoint),
        ("/smtps", "email", "ann@shop.example"),
        ("/apns", "token", device),
    ]:
        assert [(one[member], one["event"]) for one in registered(app, route)] == [(address, "news")]
    app.publish("news", "after the move")
    assert json.loads(receiver.call().body)["data"] == "after the move"
    assert browser.message().payload == b"after the move"
    assert mail.next().recipients == ["ann@shop.example"]
    assert apple.next().token == device
    assert app.rest.delete(f"/apns/{device}").json()["subscriptions"][0]["token"] == device
    app.close()
    for listening in (browser, mail, apple):
        listening.close()
