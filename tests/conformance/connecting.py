"""Connecting, and staying connected."""

import json
import re

from app import App
from rules import rule

SECTION = "connecting"


@rule(SECTION, "the first frame is pusher:connection_established, its data JSON in a string")
def greeting(app: App) -> None:
    frame = app.open().frame()
    assert frame["event"] == "pusher:connection_established", frame
    assert isinstance(frame["data"], str), frame
    json.loads(frame["data"])


@rule(SECTION, "socket_id is two numbers with a dot between")
def socket_id(app: App) -> None:
    assert re.fullmatch(r"\d+\.\d+", app.connect().id)


@rule(SECTION, "no two connections have the same socket_id")
def unique(app: App) -> None:
    ids = {app.connect().id for _ in range(5)}
    assert len(ids) == 5, ids


@rule(SECTION, "activity_timeout is a number of seconds above 0")
def activity_timeout(app: App) -> None:
    assert json.loads(app.open().frame()["data"])["activity_timeout"] > 0


@rule(SECTION, "unknown query parameters are ignored")
def unknown_parameters(app: App) -> None:
    app.open("protocol=7&client=js&version=8.6.0&flash=false&else=1").expect("pusher:connection_established")


@rule(SECTION, "an unknown key gets error 4001 and close code 4001")
def unknown_key(app: App) -> None:
    socket = app.open(key="no-such-key")
    socket.error(4001)
    socket.closed(4001)


def refused(query: str, code: int) -> None:
    @rule(SECTION, f"?{query} is closed with {code}")
    def version(app: App) -> None:
        socket = app.open(query)
        socket.error(code)
        socket.closed(code)


refused("protocol=x", 4006)
refused("protocol=99", 4007)
refused("client=js", 4008)


@rule(SECTION, "pusher:ping is answered by pusher:pong")
def ping(app: App) -> None:
    socket = app.connect()
    socket.send("pusher:ping")
    socket.expect("pusher:pong")


@rule(SECTION, "a pusher:pong that nobody asked for does no harm")
def pong(app: App) -> None:
    socket = app.connect()
    socket.send("pusher:pong")
    assert socket.heard() == []


@rule(SECTION, "a WebSocket ping is answered")
def websocket_ping(app: App) -> None:
    assert app.connect().raw.ping().wait(app.seconds), "no pong came"


@rule(SECTION, "what is not JSON does not end the connection")
def nonsense(app: App) -> None:
    socket = app.connect()
    socket.raw.send("{")
    socket.heard()


@rule(SECTION, "data of a client's frame may be a string of JSON")
def data_in_a_string(app: App) -> None:
    socket, channel = app.connect(), app.name()
    socket.send("pusher:subscribe", json.dumps({"channel": channel, "auth": ""}))
    socket.expect("pusher_internal:subscription_succeeded", channel)


@rule(SECTION, "after activity_timeout the server pings, and without an answer closes with 4201", "slow")
def silence(app: App) -> None:
    socket = app.open()
    timeout = json.loads(socket.frame()["data"])["activity_timeout"]
    socket.expect("pusher:ping", seconds=timeout + 10)
    socket.closed(4201, seconds=40)
