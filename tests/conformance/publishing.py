"""The HTTP API: signatures, and publishing."""

import time
from typing import Any

from app import App
from rules import rule

SIGNATURE, EVENTS, BATCH = "HTTP signature", "HTTP events", "HTTP batches"
EVENT = {"name": "e", "channel": "conformance", "data": "x"}


@rule(SIGNATURE, "a signed request is answered with JSON")
def signed(app: App) -> None:
    answer = app.ask("POST", "/events", EVENT)
    assert (answer.status, answer.json) == (200, {}), answer
    assert answer.type.startswith("application/json"), answer


@rule(SIGNATURE, "a GET may bring the body_md5 of nothing")
def empty_md5(app: App) -> None:
    assert app.ask("GET", "/channels", query={"body_md5": "d41d8cd98f00b204e9800998ecf8427e"}).status == 200


@rule(SIGNATURE, "values are signed without being escaped")
def escaped(app: App) -> None:
    assert (
        app.ask(
            "GET", "/channels", query={"filter_by_prefix": "presence-a,@;=", "info": "user_count,subscription_count"}
        ).status
        == 200
    )


def unauthorised(text: str, **options: Any) -> None:
    @rule(SIGNATURE, f"401: {text}")
    def refused(app: App) -> None:
        query = {name: value(app) if callable(value) else value for name, value in options.get("query", {}).items()}
        app.refused(401, "POST", "/events", EVENT, **{**options, "query": query})


unauthorised("another secret", secret="another")
unauthorised("an unknown auth_key", query={"auth_key": "another"})
unauthorised("auth_timestamp more than 600 s ago", query={"auth_timestamp": lambda app: str(int(time.time()) - 610)})
unauthorised("auth_timestamp more than 600 s ahead", query={"auth_timestamp": lambda app: str(int(time.time()) + 610)})
unauthorised("auth_timestamp is no number", query={"auth_timestamp": "now"})
unauthorised("another auth_version", query={"auth_version": "2.0"})
unauthorised("a body_md5 of another body", query={"body_md5": "0" * 32})
unauthorised("a parameter that was not signed", unsigned={"info": "user_count"})
for name in ("auth_key", "auth_timestamp", "auth_version", "auth_signature", "body_md5"):
    unauthorised(f"{name} is missing", drop=name)


@rule(SIGNATURE, "404: no such app")
def no_app(app: App) -> None:
    app.refused(404, "POST", "/events", EVENT, ident="999999999")


@rule(SIGNATURE, "connections are kept alive")
def keep_alive(app: App) -> None:
    line = app.line()
    line.connect()
    kept = line.sock
    for _ in range(3):
        assert app.ask("POST", "/events", EVENT, to=line).status == 200
        assert line.sock is kept, "the server closed the connection"


@rule(EVENTS, "an event reaches each of its channels")
def channels(app: App) -> None:
    names = [app.name() for _ in range(2)]
    sockets = [app.on(name) for name in names]
    assert app.post("/events", {"name": "e", "channels": names, "data": "x"}) == {}
    for name, socket in zip(names, sockets, strict=True):
        socket.expect("e", name)


@rule(EVENTS, "one channel may be named as channel")
def one_channel(app: App) -> None:
    channel = app.name()
    socket = app.on(channel)
    app.post("/events", {"name": "e", "channel": channel, "data": "x"})
    socket.expect("e", channel)


@rule(EVENTS, "socket_id leaves that socket out")
def except_one(app: App) -> None:
    channel = app.name()
    mine, other = app.on(channel), app.on(channel)
    app.trigger(channel, "e", socket_id=mine.id)
    other.expect("e", channel)
    mine.silent("e")


@rule(EVENTS, "info answers user_count and subscription_count of each channel")
def info(app: App) -> None:
    channel = app.name("presence-")
    for user in ("1", "1", "2"):
        app.on(channel, channel_data={"user_id": user})
    answer = app.trigger(channel, "e", info="user_count,subscription_count")
    assert answer == {"channels": {channel: {"user_count": 2, "subscription_count": 3}}}, answer


@rule(EVENTS, "100 channels, a name of 200 characters and 10 kB of data are taken")
def most(app: App) -> None:
    app.post("/events", {"name": "e" * 200, "channels": [f"c{number}" for number in range(100)], "data": "x" * 10_240})


def bad(text: str, status: int = 400, **changed: Any) -> None:
    @rule(EVENTS, f"{status}: {text}")
    def refused(app: App) -> None:
        body = {name: value for name, value in {**EVENT, **changed}.items() if value is not None}
        app.refused(status, "POST", "/events", body)


bad("name is missing", name=None)
bad("data is missing", data=None)
bad("no channel is named", channel=None)
bad("an empty list of channels", channel=None, channels=[])
bad("more than 100 channels", channel=None, channels=[f"c{number}" for number in range(101)])
bad("a channel's name with other characters", channel="a b")
bad("a channel's name of 201 characters", channel="x" * 201)
bad("an event's name of 201 characters", name="e" * 201)
bad("an event named pusher:…", name="pusher:subscribe")
bad("an event named pusher_internal:…", name="pusher_internal:x")
bad("an encrypted channel among several", channel=None, channels=["private-encrypted-a", "b"])
bad("a malformed socket_id", socket_id="1234")
bad("data over 10 kB", 413, data="x" * 10_241)


@rule(EVENTS, "400: a body that is no JSON")
def no_json(app: App) -> None:
    app.refused(400, "POST", "/events", text="{")


def batch(app: App, *events: dict[str, Any]) -> Any:
    return app.post("/batch_events", {"batch": list(events)})


@rule(BATCH, "ten events arrive in their order, and are answered with {}")
def order(app: App) -> None:
    channel = app.name()
    socket = app.on(channel)
    assert batch(app, *({"name": f"e{number}", "channel": channel, "data": "x"} for number in range(10))) == {}
    events = [frame["event"] for frame in socket.heard() if frame["event"].startswith("e")]
    assert events == [f"e{number}" for number in range(10)], events


@rule(BATCH, "with info they are answered in their order")
def batch_info(app: App) -> None:
    channel = app.name()
    app.on(channel)
    asking = {"name": "e", "channel": channel, "data": "x", "info": "subscription_count"}
    answer = batch(app, EVENT, asking)
    assert answer == {"batch": [{}, {"subscription_count": 1}]}, answer


@rule(BATCH, "400: more than ten events")
def too_many(app: App) -> None:
    app.refused(400, "POST", "/batch_events", {"batch": [EVENT] * 11})


@rule(BATCH, "400: one bad event, and none of them is published")
def all_or_none(app: App) -> None:
    channel = app.name()
    socket = app.on(channel)
    good = {"name": "e", "channel": channel, "data": "x"}
    app.refused(400, "POST", "/batch_events", {"batch": [good, {**good, "name": "pusher:x"}]})
    socket.silent("e")
