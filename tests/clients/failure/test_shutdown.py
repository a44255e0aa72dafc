"""SIGTERM: no accepted event is lost, all clients are notified, and the exit code is 0."""

import json
import signal
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from fixtures.app import App
from fixtures.raw import RawSocket
from fixtures.server import Server
from fixtures.waiting import wait_until

# A stop ends within the drain time and this.
SECONDS_AFTER_DRAIN = 1.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sockets_are_closed_with_4200_and_the_exit_code_is_0(launch: Callable[..., Server], number: int) -> None:
    server = launch(PUSHI_DRAIN_SECONDS=1)
    app = server.create_app()
    sockets = [app.connect_to("global") for _ in range(10)]
    assert server.process is not None
    server.process.send_signal(number)
    for opened in sockets:
        assert opened.closed() == ([], 4200)
    server.ended()
    app.close()


def test_readiness_turns_away_and_no_connection_is_taken_while_it_drains(launch: Callable[..., Server]) -> None:
    server = launch(PUSHI_DRAIN_SECONDS=6)
    app = server.create_app()
    sockets = [app.connect() for _ in range(6)]
    # An existing connection may still receive a response: 503.
    assert server.is_ready()
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not server.is_ready(), "no longer ready", 5)
    assert server.process.poll() is None, "it drains for seconds"
    try:
        fresh = httpx.get(f"{server.url}/health/ready", trust_env=False)
        assert fresh.status_code == 503
    except httpx.TransportError:
        pass
    with pytest.raises((OSError, EOFError)):
        app.open()
    for opened in sockets:
        assert opened.closed(seconds=15)[1] == 4200
    server.ended()
    app.close()


def test_the_closes_are_spread_over_the_time(launch: Callable[..., Server]) -> None:
    server = launch(PUSHI_DRAIN_SECONDS=3)
    app = server.create_app()
    sockets = [app.connect() for _ in range(6)]
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    ends: list[float] = []
    for opened in sockets:
        assert opened.closed()[1] == 4200
        ends.append(time.monotonic() - began)
    server.ended()
    assert 1.0 < max(ends) < 6.0, ends
    app.close()


def test_with_nobody_connected_it_is_at_once(launch: Callable[..., Server]) -> None:
    server = launch(PUSHI_DRAIN_SECONDS=60)
    app = server.create_app()
    # An idle keep-alive connection does not delay the shutdown.
    app.publish("global", "x")
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 5
    app.close()


def test_a_second_signal_exits_at_once(launch: Callable[..., Server]) -> None:
    server = launch(PUSHI_DRAIN_SECONDS=60)
    app = server.create_app()
    app.connect(), app.connect()
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not server.is_ready(), "the first signal has been taken", 5)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(5)
    app.close()


def test_what_was_accepted_is_stored(launch: Callable[..., Server]) -> None:
    server = launch("same", PUSHI_DRAIN_SECONDS=2)
    app = server.create_app()
    sender = app.connect_to("global")
    for number in range(500):
        sender.publish("global", str(number), ref=str(number))
    sender.frame()
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    frames, code = sender.closed()
    assert code == 4200
    acknowledged = 1 + sum(frame["event"] == "pusher_internal:published" for frame in frames)
    server.ended()
    app.close()
    again = launch("same").adopt(app)
    answer: dict[str, Any] = again.connect().subscribe("global", since=0)
    assert [event["serial"] for event in answer["events"]] == list(range(1, answer["serial"] + 1))
    assert answer["serial"] >= acknowledged
    again.close()


def test_members_have_left_after_a_restart(launch: Callable[..., Server]) -> None:
    first = launch("same")
    app = first.create_app()
    app.member("presence-room", "u1")
    app.close()
    first.kill()
    again = launch("same").adopt(app)
    answer = again.connect().subscribe("presence-room", channel_data={"user_id": "u2"})
    assert list(answer["members"]) == ["u2"]
    again.close()


def unread_answers(server: Server, app: App) -> RawSocket:
    """A WebSocket client that asks for megabytes and reads nothing of them."""
    client = RawSocket(server.server_port, receive_buffer=4096)
    client.upgrade(f"/{app.key}")
    client.read_frame()
    for _ in range(20):
        ask = {"event": "pusher:subscribe", "data": {"channel": "big", "since": 0}}
        client.send_frame(1, json.dumps(ask).encode())
    # The first answer has begun.
    client.tcp.recv(1, socket.MSG_PEEK)
    return client


def unread_pages(server: Server, _: App) -> RawSocket:
    """An HTTP client that asks for megabytes and reads nothing."""
    client = RawSocket(server.app_port, receive_buffer=4096)
    client.send(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
    client.read_head()
    return client


def half_a_body(server: Server, _: App) -> RawSocket:
    """A request whose body does not end."""
    client = RawSocket(server.app_port)
    client.send(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
    return client


def body_after_the_answer(server: Server, _: App) -> RawSocket:
    """A request that is answered early, and whose body does not end."""
    client = RawSocket(server.app_port)
    client.send(b"POST /apps HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n{")
    client.read_head()
    return client


def half_a_head(server: Server, _: App) -> RawSocket:
    """A request whose head does not end."""
    client = RawSocket(server.server_port)
    client.send(b"GET / HT")
    return client


def no_answer_to_the_close(server: Server, app: App) -> RawSocket:
    """A WebSocket client that keeps its side open."""
    client = RawSocket(server.server_port)
    client.upgrade(f"/{app.key}")
    return client


def stop_in_time(server: Server) -> None:
    """Stops the server and asserts its time and exit code."""
    assert server.process is not None
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    server.ended()
    seconds = time.monotonic() - began
    drain = float(server.settings["PUSHI_DRAIN_SECONDS"])
    assert seconds < drain + SECONDS_AFTER_DRAIN, (seconds, server.log)


@pytest.mark.parametrize("drain", [0, 1])
@pytest.mark.parametrize(
    "hinder",
    [unread_answers, unread_pages, half_a_body, body_after_the_answer, half_a_head, no_answer_to_the_close],
)
def test_no_client_delays_the_stop(launch: Callable[..., Server], hinder: Callable[..., RawSocket], drain: int) -> None:
    server = launch(PUSHI_DRAIN_SECONDS=drain)
    app = server.create_app()
    for _ in range(50):
        app.publish("big", "x" * 9000)
    with ExitStack() as clients:
        for _ in range(3):
            clients.enter_context(hinder(server, app))
        stop_in_time(server)
    if hinder in (unread_answers, unread_pages):
        assert "cut off by the end of the drain time" in server.log
    app.close()


def test_a_client_that_reads_gets_its_answer_beside_one_that_does_not(launch: Callable[..., Server]) -> None:
    server = launch(PUSHI_DRAIN_SECONDS=2)
    app = server.create_app()
    for _ in range(50):
        app.publish("big", "x" * 9000)
    with unread_answers(server, app), unread_answers(server, app) as reader:
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        answer = json.loads(reader.read_frame().payload)
        assert len(json.loads(answer["data"])["events"]) == 50
        while (frame := reader.read_frame()).close_code is None:
            assert frame.opcode == 1
        assert frame.close_code == 4200
        server.ended()
    app.close()


@pytest.mark.parametrize("drain", [0, 1])
def test_a_webhook_receiver_that_hangs_does_not_delay_the_stop(launch: Callable[..., Server], drain: int) -> None:
    server = launch(PUSHI_DRAIN_SECONDS=drain, PUSHI_WEBHOOK_ALLOW_PRIVATE=1)
    app = server.create_app()
    with socket.create_server(("127.0.0.1", 0)) as receiver:
        url = f"http://127.0.0.1:{receiver.getsockname()[1]}/"
        app.configure(webhooks=[{"url": url, "events": ["channel_occupied"]}])
        app.connect_to("global")
        receiver.settimeout(20)
        with receiver.accept()[0]:
            stop_in_time(server)
    app.close()


@pytest.mark.parametrize("drain", [0, 1])
def test_a_store_that_hangs_does_not_delay_the_stop(
    launch: Callable[..., Server], drain: int, tmp_path: Path
) -> None:
    url = f"sqlite://{tmp_path}/locked.db"
    server = launch("same", PUSHI_DRAIN_SECONDS=drain, DATABASE_URL=url)
    app = server.create_app()
    sender = app.connect_to("global")
    for number in range(5):
        sender.publish("global", str(number), ref=str(number))
        while sender.frame()["event"] != "pusher_internal:published":
            pass
    database = sqlite3.connect(tmp_path / "locked.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    for number in range(5, 50):
        sender.publish("global", str(number), ref=str(number))
    stop_in_time(server)
    assert "task cut off by the end of the drain time" in server.log
    database.execute("ROLLBACK")
    database.close()
    app.close()
    again = launch("same", DATABASE_URL=url).adopt(app)
    assert again.connect().subscribe("global", since=0)["serial"] >= 5
    again.close()
