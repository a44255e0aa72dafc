"""Channels of every kind."""

import json

from app import App, Socket
from rules import rule

PUBLIC, PRIVATE, PRESENCE, CACHE = "public channels", "private channels", "presence channels", "cache channels"


@rule(PUBLIC, "a subscription is answered with data {} in a string")
def public(app: App) -> None:
    channel = app.name()
    assert app.connect().subscribe(channel) == {}


@rule(PUBLIC, "an event has event, channel and data as it was published")
def event(app: App) -> None:
    channel = app.name()
    socket = app.on(channel)
    app.trigger(channel, "e", '{"x": 1.50}')
    frame = socket.expect("e", channel)
    assert frame["data"] == '{"x": 1.50}', frame


@rule(PUBLIC, "names may hold A-Z a-z 0-9 _ - = @ , . ; and have 200 characters")
def names(app: App) -> None:
    app.connect().subscribe(app.name("Az09_-=@,.;"))
    app.connect().subscribe(app.name().ljust(200, "x"))


def refused_name(text: str, name: str) -> None:
    @rule(PUBLIC, f"{text} is refused on the channel")
    def bad_name(app: App) -> None:
        app.connect().refused(name)


refused_name("a name with other characters", "a b:c")
refused_name("a name of 201 characters", "x" * 201)


@rule(PUBLIC, "pusher:unsubscribe is not answered, and ends the events")
def unsubscribe(app: App) -> None:
    channel = app.name()
    socket = app.on(channel)
    socket.send("pusher:unsubscribe", {"channel": channel})
    assert [frame for frame in socket.heard() if "subscription_count" not in frame["event"]] == []
    app.trigger(channel, "e")
    socket.silent("e")


@rule(PUBLIC, "subscribers are told how many they are")
def subscription_count(app: App) -> None:
    channel = app.name()
    socket = app.on(channel)
    app.on(channel)
    while socket.data("pusher_internal:subscription_count", channel) != {"subscription_count": 2}:
        pass


@rule(PRIVATE, "a signature over socket_id:channel lets in")
def private(app: App) -> None:
    channel = app.name("private-")
    socket = app.on(channel)
    app.trigger(channel, "e")
    socket.expect("e", channel)


def wrong(prefix: str, section: str) -> None:
    @rule(section, "a wrong signature is pusher:subscription_error on the channel, of type AuthError and status 401")
    def wrong_signature(app: App) -> None:
        member = {"user_id": "1"} if prefix == "presence-" else None
        data = app.connect().refused(app.name(prefix), channel_data=member, auth=f"{app.key}:{'0' * 64}")
        assert (data["type"], data["status"]) == ("AuthError", 401), data


wrong("private-", PRIVATE)


@rule(PRIVATE, "a signature for another socket or channel, or none, does not let in")
def foreign_signature(app: App) -> None:
    channel, socket = app.name("private-"), app.connect()
    for auth in (app.auth(f"1.1:{channel}"), app.auth(f"{socket.id}:private-other"), ""):
        socket.refused(channel, auth=auth)


@rule(PRIVATE, "data of an encrypted channel passes through untouched")
def encrypted(app: App) -> None:
    channel = app.name("private-encrypted-")
    socket = app.on(channel)
    data = '{"nonce":"bm9uY2U=","ciphertext":"dGV4dA=="}'
    app.trigger(channel, "e", data)
    assert socket.expect("e", channel)["data"] == data


def member(user: object, **info: object) -> dict[str, object]:
    return {"user_id": user, "user_info": info}


@rule(PRESENCE, "the answer has count, ids and hash of the members")
def presence(app: App) -> None:
    channel = app.name("presence-")
    app.on(channel, channel_data=member("1", name="Ann"))
    answer = app.connect().subscribe(channel, channel_data=member("2", name="Bo"))["presence"]
    assert answer["count"] == 2, answer
    assert sorted(answer["ids"]) == ["1", "2"], answer
    assert answer["hash"] == {"1": {"name": "Ann"}, "2": {"name": "Bo"}}, answer


@rule(PRESENCE, "numeric user ids become strings")
def numeric(app: App) -> None:
    channel = app.name("presence-")
    assert app.connect().subscribe(channel, channel_data=member(7))["presence"]["ids"] == ["7"]


@rule(PRESENCE, "the others, and not the socket itself, are told who came and who left")
def come_and_go(app: App) -> None:
    channel = app.name("presence-")
    first = app.on(channel, channel_data=member("1"))
    second = app.on(channel, channel_data=member("2", name="Bo"))
    assert first.data("pusher_internal:member_added", channel) == {"user_id": "2", "user_info": {"name": "Bo"}}
    second.silent("pusher_internal:member_added")
    second.raw.close()
    assert first.data("pusher_internal:member_removed", channel)["user_id"] == "2"


@rule(PRESENCE, "several connections of a user are one member")
def tabs(app: App) -> None:
    channel = app.name("presence-")
    first = app.on(channel, channel_data=member("1"))
    tabs = [app.on(channel, channel_data=member("2")) for _ in range(2)]
    first.expect("pusher_internal:member_added", channel)
    first.silent("pusher_internal:member_added")
    leave(tabs[0], channel)
    first.silent("pusher_internal:member_removed")
    leave(tabs[1], channel)
    first.expect("pusher_internal:member_removed", channel)


def leave(socket: Socket, channel: str) -> None:
    socket.send("pusher:unsubscribe", {"channel": channel})
    socket.heard()


wrong("presence-", PRESENCE)


@rule(PRESENCE, "the signature covers channel_data")
def covered(app: App) -> None:
    channel, socket = app.name("presence-"), app.connect()
    auth = app.auth(f"{socket.id}:{channel}:{json.dumps(member('1'))}")
    socket.refused(channel, channel_data=member("2"), auth=auth)
    socket.refused(channel, channel_data=member("1"), auth=app.auth(f"{socket.id}:{channel}"))


def bad_member(text: str, data: object) -> None:
    @rule(PRESENCE, f"{text} is refused")
    def refused(app: App) -> None:
        app.connect().refused(app.name("presence-"), channel_data=data)


bad_member("channel_data without user_id", {"user_info": {}})
bad_member("channel_data that is no JSON", "{")
bad_member("channel_data over 1 kB", member("1", text="x" * 1100))
bad_member("a user_id of more than 128 characters", member("u" * 129))


@rule(PRESENCE, "without channel_data the member is the user that the socket is signed in as")
def by_sign_in(app: App) -> None:
    channel = app.name("presence-")
    socket = app.signed_in("ann", user_info={"name": "Ann"})
    assert socket.subscribe(channel)["presence"]["hash"] == {"ann": {"name": "Ann"}}


def cached(prefix: str) -> None:
    data = {"user_id": "1"} if prefix.startswith("presence-") else None

    @rule(CACHE, f"{prefix}: pusher:cache_miss, or the last event, follows the subscription")
    def cache(app: App) -> None:
        channel = app.name(prefix)
        app.on(channel, channel_data=data).expect("pusher:cache_miss", channel)
        app.trigger(channel, "e", "1")
        app.trigger(channel, "e", "2")
        assert app.on(channel, channel_data=data).expect("e", channel)["data"] == "2"


for kind in ("cache-", "private-cache-", "private-encrypted-cache-", "presence-cache-"):
    cached(kind)
