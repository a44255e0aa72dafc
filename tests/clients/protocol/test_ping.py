"""Pings in both directions."""

from collections.abc import Callable

from fixtures.app import App
from fixtures.raw import RawSocket
from fixtures.server import Server


def test_a_ping_of_the_protocol_is_answered(app: App) -> None:
    socket = app.connect()
    for data in ({}, "{}"):
        socket.send("pusher:ping", data)
        answer = socket.expect("pusher:pong")
        assert answer["data"] == "{}"
    socket.send("pusher:ping")
    assert socket.expect("pusher:pong")["data"] == "{}"


def test_a_websocket_ping_is_answered(app: App) -> None:
    assert app.connect().raw.ping(b"alive?").wait(5)


def test_a_silent_connection_is_pinged(launch: Callable[..., Server]) -> None:
    server = launch(PUSHI_ACTIVITY_TIMEOUT=1)
    app = server.create_app()
    with RawSocket(server.server_port) as raw:
        raw.upgrade(f"/{app.key}")
        assert raw.read_frame().opcode == 1
        assert raw.read_frame(seconds=5).opcode == 9


def test_an_idle_connection_is_closed_with_4202_where_that_is_set(launch: Callable[..., Server]) -> None:
    app = launch(PUSHI_IDLE_TIMEOUT=1).create_app()
    assert app.connect().closed()[1] == 4202
    app.close()
