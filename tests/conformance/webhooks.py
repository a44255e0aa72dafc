"""Webhooks. The app's webhook must have the address of `--webhooks` and every kind of event."""

import json
import time

from app import App, Socket, sign
from receiver import Event, Receiver
from rules import rule

SECTION, KIND = "webhooks", "webhooks"
# The server's delay before it reports that a member has left, with a margin for slow servers.
LEAVING = 3.0


def receiver(app: App) -> Receiver:
    assert app.receiver is not None
    return app.receiver


def told(app: App, channel: str, name: str) -> Event:
    return receiver(app).told(channel, name, app.seconds + LEAVING)


def leave(socket: Socket, channel: str) -> None:
    socket.send("pusher:unsubscribe", {"channel": channel})
    socket.heard()


@rule(SECTION, "the body has time_ms and events, and Content-Type is application/json", KIND)
def body(app: App) -> None:
    channel = app.name()
    app.on(channel)
    call = receiver(app).call(channel, app.seconds)
    assert call.headers["content-type"] == "application/json", call.headers
    assert abs(json.loads(call.body)["time_ms"] / 1000 - time.time()) < 300, call.body


@rule(SECTION, "X-Pusher-Key is the key, and X-Pusher-Signature signs the body as it is", KIND)
def signature(app: App) -> None:
    channel = app.name()
    app.on(channel)
    call = receiver(app).call(channel, app.seconds)
    assert call.headers["x-pusher-key"] == app.key, call.headers
    assert call.headers["x-pusher-signature"] == sign(app.secret, call.body.decode()), call.headers


@rule(SECTION, "channel_occupied tells of the first subscriber, and of no other", KIND)
def occupied(app: App) -> None:
    channel = app.name()
    app.on(channel)
    assert told(app, channel, "channel_occupied") == {"name": "channel_occupied", "channel": channel}
    app.on(channel)
    later = app.name()
    app.on(later)
    told(app, later, "channel_occupied")
    names = [event["name"] for event in receiver(app).events(channel)]
    assert names.count("channel_occupied") == 1, names


@rule(SECTION, "channel_vacated tells that the last subscriber left", KIND)
def vacated(app: App) -> None:
    channel = app.name()
    sockets = [app.on(channel) for _ in range(2)]
    for socket in sockets:
        leave(socket, channel)
    assert told(app, channel, "channel_vacated") == {"name": "channel_vacated", "channel": channel}


@rule(SECTION, "who is back within three seconds has not left", KIND)
def back(app: App) -> None:
    channel, other = app.name("presence-"), app.name()
    socket = app.on(channel, channel_data={"user_id": "1"})
    told(app, channel, "member_added")
    leave(socket, channel)
    socket.subscribe(channel, channel_data={"user_id": "1"})
    leave(app.on(other), other)
    told(app, other, "channel_vacated")
    names = [event["name"] for event in receiver(app).events(channel)]
    assert not {"member_removed", "channel_vacated"} & set(names), names


@rule(SECTION, "member_added and member_removed tell of a user's first and last connection", KIND)
def members(app: App) -> None:
    channel = app.name("presence-")
    sockets = [app.on(channel, channel_data={"user_id": user}) for user in (7, 7)]
    assert told(app, channel, "member_added") == {"name": "member_added", "channel": channel, "user_id": "7"}
    for socket in sockets:
        leave(socket, channel)
    assert told(app, channel, "member_removed") == {"name": "member_removed", "channel": channel, "user_id": "7"}
    names = [event["name"] for event in receiver(app).events(channel)]
    assert names.count("member_added") == 1, names


@rule(SECTION, "client_event tells what was said, by which socket and user", KIND)
def client_event(app: App) -> None:
    channel = app.name("presence-")
    socket = app.on(channel, channel_data={"user_id": "ann"})
    socket.send("client-e", "text", channel=channel)
    event = told(app, channel, "client_event")
    expected = {"event": "client-e", "data": "text", "socket_id": socket.id, "user_id": "ann"}
    assert event == {"name": "client_event", "channel": channel, **expected}, event


@rule(SECTION, "cache_miss tells that a cache channel had nothing to give", KIND)
def cache_miss(app: App) -> None:
    channel = app.name("cache-")
    app.on(channel)
    assert told(app, channel, "cache_miss") == {"name": "cache_miss", "channel": channel}


@rule(SECTION, "subscription_count tells how many are on a channel", KIND)
def subscription_count(app: App) -> None:
    channel = app.name()
    app.on(channel)
    app.on(channel)
    two = {"name": "subscription_count", "channel": channel, "subscription_count": 2}
    receiver(app).wait(lambda: two in receiver(app).events(channel), "no subscription_count of 2 came", app.seconds)
