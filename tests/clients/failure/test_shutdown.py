"""SIGTERM: no accepted event is lost, all clients are notified, and the exit code is 0."""

import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from fixtures.server import Server
from fixtures.waiting import wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sockets_are_closed_with_4200_and_the_exit_code_is_0(launch: Callable[..., Server], number: int) -> None:
    server = launch(PUSHI_DRAIN_SECONDS=1)
    app = server.create_app()
    sockets = [app.connect_to("global") for _ in range(10)]
    assert server.process is not None
    server.process.send_signal(number)
    for socket in sockets:
        assert socket.closed() == ([], 4200)
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
    for socket in sockets:
        assert socket.closed(seconds=15)[1] == 4200
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
    for socket in sockets:
        assert socket.closed()[1] == 4200
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
