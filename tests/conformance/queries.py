"""The HTTP API: channel queries."""

from app import App
from rules import rule

SECTION = "HTTP queries"


@rule(SECTION, "channels lists the occupied ones by their prefix")
def prefix(app: App) -> None:
    name = app.name()
    app.on(name)
    app.on(f"{name}-more")
    answer = app.get("/channels", filter_by_prefix=name)
    assert answer == {"channels": {name: {}, f"{name}-more": {}}}, answer
    assert name in app.get("/channels")["channels"]


@rule(SECTION, "channels answers user_count and subscription_count of presence channels")
def counts(app: App) -> None:
    channel = app.name("presence-")
    for user in ("1", "2", "2"):
        app.on(channel, channel_data={"user_id": user})
    answer = app.get("/channels", filter_by_prefix=channel, info="user_count,subscription_count")
    assert answer == {"channels": {channel: {"user_count": 2, "subscription_count": 3}}}, answer


@rule(SECTION, "400: user_count of channels that are not limited to presence channels")
def user_count_of_all(app: App) -> None:
    app.refused(400, "GET", "/channels", query={"info": "user_count"})


@rule(SECTION, "a channel is told to be occupied or not")
def occupied(app: App) -> None:
    channel = app.name()
    assert app.get(f"/channels/{channel}")["occupied"] is False
    app.on(channel)
    assert app.get(f"/channels/{channel}")["occupied"] is True


@rule(SECTION, "a channel's user_count and subscription_count")
def one(app: App) -> None:
    channel = app.name("presence-")
    for user in ("1", "2", "2"):
        app.on(channel, channel_data={"user_id": user})
    answer = app.get(f"/channels/{channel}", info="user_count,subscription_count")
    assert answer == {"occupied": True, "user_count": 2, "subscription_count": 3}, answer


@rule(SECTION, "400: user_count of a channel that is no presence channel")
def user_count(app: App) -> None:
    app.refused(400, "GET", "/channels/news", query={"info": "user_count"})


@rule(SECTION, "a cache channel's last event and for how long it is kept")
def cache(app: App) -> None:
    channel = app.name("cache-")
    app.trigger(channel, "e", "last")
    told = app.get(f"/channels/{channel}", info="cache")["cache"]
    assert told["data"] == "last" and 0 < told["ttl"] <= 1800, told


@rule(SECTION, "the users on a presence channel, ids as strings")
def users(app: App) -> None:
    channel = app.name("presence-")
    for user in (1, "bo", "bo"):
        app.on(channel, channel_data={"user_id": user})
    answer = app.get(f"/channels/{channel}/users")
    assert sorted(user["id"] for user in answer["users"]) == ["1", "bo"], answer


@rule(SECTION, "400: the users on a channel that is no presence channel")
def users_of_public(app: App) -> None:
    app.refused(400, "GET", "/channels/news/users")


@rule(SECTION, "a channel whose last subscriber left is not listed any more")
def vacated(app: App) -> None:
    channel = app.name()
    socket = app.on(channel)
    socket.send("pusher:unsubscribe", {"channel": channel})
    socket.heard()
    assert app.get("/channels", filter_by_prefix=channel) == {"channels": {}}
