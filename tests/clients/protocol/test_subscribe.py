"""Subscribing to and unsubscribing from public and private channels."""

import json

import pytest

from fixtures.app import App

PLAIN = {"members": {}, "alias": [], "events": []}


def test_a_public_channel_needs_nothing(app: App) -> None:
    socket = app.connect()
    socket.send("pusher:subscribe", {"channel": "global"})
    frame = socket.expect("pusher_internal:subscription_succeeded", "global")
    assert set(frame) == {"event", "channel", "data"}
    assert json.loads(frame["data"]) == {"name": "global", **PLAIN}


def test_a_private_channel_needs_a_signature(app: App) -> None:
    socket = app.connect()
    assert socket.subscribe("private-orders") == {"name": "private-orders", **PLAIN}


def test_every_kind_that_needs_a_signature_refuses_one_that_is_missing_or_wrong(app: App, server_other: App) -> None:
    socket = app.connect()
    for channel in ("private-x", "presence-x", "personal-u1"):
        right = app.sign(socket.id, channel)
        last = "1" if right[-1] == "0" else "0"
        wrong = [
            None,
            "",
            "nonsense",
            right[:-1] + last,
            right[:-1],
            right.split(":")[1],
            f"{server_other.key}:{right.split(':')[1]}",
            server_other.sign(socket.id, channel),
            app.sign("1.1", channel),
            app.sign(socket.id, channel + "y"),
        ]
        for auth in wrong:
            socket.ask(channel, auth=auth, channel_data={"user_id": "u1"})
            error = socket.error(4009, "pusher:subscribe", channel)
            # An error must not reveal a valid signature.
            assert right.split(":")[1] not in json.dumps(error)
            assert app.secret not in json.dumps(error)
    # The connection is still usable, and the channels were not subscribed.
    assert app.live()[socket.id] == []
    socket.subscribe("private-x")


@pytest.fixture
def server_other(app: App) -> App:
    """A second app of the same server."""
    return app.server.create_app("other")


def test_apps_do_not_hear_each_other(app: App, server_other: App) -> None:
    here, there = app.connect_to("global"), server_other.connect_to("global")
    app.publish("global", "for one app only")
    assert here.expect("message", "global")["data"] == "for one app only"
    server_other.publish("global", "end")
    assert there.expect("message", "global")["data"] == "end"
    server_other.close()


def test_unsubscribing_is_answered_and_ends_delivery(app: App) -> None:
    socket = app.connect_to("one", "two")
    socket.send("pusher:unsubscribe", {"channel": "one"})
    frame = socket.expect("pusher_internal:unsubscription_succeeded", "one")
    assert json.loads(frame["data"]) == {"name": "one", **PLAIN}
    app.publish(["one", "two"], "x")
    assert socket.expect("message")["channel"] == "two"
    socket.quiet()
    assert app.live()[socket.id] == ["two"]


def test_the_socket_list_tells_who_is_on_what(app: App) -> None:
    first, second = app.connect_to("a", "private-b"), app.connect_to("a")
    live = app.live()
    assert sorted(live) == sorted([first.id, second.id])
    assert sorted(live[first.id]) == ["a", "private-b"]
    assert live[second.id] == ["a"]


def test_subscribing_again_answers_again_and_delivers_once(app: App) -> None:
    socket = app.connect_to("global")
    socket.subscribe("global")
    app.publish("global", "once")
    assert socket.expect("message")["data"] == "once"
    socket.quiet()
    # One unsubscription ends it.
    socket.unsubscribe("global")
    assert app.live()[socket.id] == []


@pytest.mark.parametrize("channel", ["a", "Ünïcödé ☃", "with space", "a/b?c#d", "private", "x" * 200, "é" * 200])
def test_names_that_are_allowed(app: App, channel: str) -> None:
    socket = app.connect_to(channel)
    app.publish(channel, "x")
    assert socket.expect("message", channel)["data"] == "x"
