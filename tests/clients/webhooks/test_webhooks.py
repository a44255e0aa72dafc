"""Webhooks of the real binary, read with Pusher's own library from PyPI, through restarts and from the command line."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pusher
import pytest

from fixtures.app import App
from fixtures.receiver import Receiver
from fixtures.server import BINARY, Server
from fixtures.waiting import wait_until


@pytest.fixture
def open_app(launch: Callable[..., Server], receiver: Receiver) -> Callable[..., App]:
    """An app whose webhook is sent to the receiver, on a server that allows its address."""

    def start(webhook: dict[str, Any] | None = None, **settings: Any) -> App:
        server = launch(**{"PUSHI_WEBHOOK_ALLOW_PRIVATE": 1, **settings})
        webhooks = [{"url": receiver.url, **(webhook or {})}]
        # The library accepts only numbers as app ids.
        return server.create_app(settings={"webhooks": webhooks, "client_events": True}, ident="4711")

    return start


def pushi(app: App, *arguments: str) -> Any:
    """The JSON output of a command about the app."""
    server = app.server
    command = [BINARY, "webhook", *arguments, "--json", "--app-id", app.ident]
    done = subprocess.run(
        command, cwd=server.folder, env=server.environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_pushers_library_validates_a_webhook(open_app: Callable[..., App], receiver: Receiver) -> None:
    app = open_app()
    socket = app.connect()
    socket.subscribe("presence-room", channel_data={"user_id": "ann"})
    backend = pusher.Pusher(app_id=app.ident, key=app.key, secret=app.secret)
    names: list[str] = []
    while len(names) < 2:
        call = receiver.call()
        assert call.headers["content-type"] == "application/json"
        read = backend.validate_webhook(call.key, call.signature, call.body)
        assert read is not None and isinstance(read["time_ms"], int)
        names += [event["name"] for event in read["events"]]
        stranger = pusher.Pusher(app_id=app.ident, key=app.key, secret="another")
        assert stranger.validate_webhook(call.key, call.signature, call.body) is None
    assert names == ["channel_occupied", "member_added"]
    socket.close()
    left = receiver.told(2)
    assert [event["name"] for event in left] == ["member_removed", "channel_vacated"]
    assert left[0] == {"name": "member_removed", "channel": "presence-room", "user_id": "ann"}


def test_a_killed_server_vacates_its_channels_at_its_next_start(
    open_app: Callable[..., App], receiver: Receiver
) -> None:
    app = open_app()
    app.connect_to("news", "orders")
    assert {event["channel"] for event in receiver.told(2)} == {"news", "orders"}
    # Events that were delivered but not yet recorded would be sent again.
    wait_until(lambda: not pushi(app, "list")["waiting"], "the delivery is noted")
    app.server.kill()
    app.server.start()
    told = receiver.told(2)
    assert [event["name"] for event in told] == ["channel_vacated", "channel_vacated"]
    assert {event["channel"] for event in told} == {"news", "orders"}


def test_what_waits_is_told_after_a_restart(open_app: Callable[..., App], receiver: Receiver) -> None:
    app = open_app()
    port = receiver.port
    receiver.close()
    socket = app.connect_to("news")
    wait_until(lambda: any(entry["attempts"] for entry in pushi(app, "list")["waiting"]), "an attempt fails")
    app.server.kill()
    socket.close()
    back = Receiver(port)
    try:
        app.server.start()
        assert back.told(2) == [{"name": name, "channel": "news"} for name in ("channel_occupied", "channel_vacated")]
    finally:
        back.close()


def test_what_was_given_up_is_listed_and_replayed(open_app: Callable[..., App], receiver: Receiver) -> None:
    app = open_app({"events": ["channel_occupied"]}, PUSHI_WEBHOOK_RETRY=0)
    receiver.status = 503
    app.connect_to("news")
    receiver.call()
    log = wait_until(lambda: pushi(app, "list")["deliveries"], "a delivery is given up")
    assert [(entry["outcome"], entry["status"], entry["notices"]) for entry in log] == [("given_up", 503, 1)]
    receiver.status = 200
    assert pushi(app, "replay", str(log[0]["id"])) == {"result": "success", "notices": 1}
    assert receiver.told(1) == [{"name": "channel_occupied", "channel": "news"}]
    log = wait_until(lambda: len(found := pushi(app, "list")["deliveries"]) == 2 and found, "the delivery is logged")
    assert [entry["outcome"] for entry in log] == ["delivered", "given_up"]
    metrics = app.server.http.get("/metrics").text
    for line in (
        'pushi_webhook_deliveries_total{outcome="given_up"} 1',
        'pushi_webhook_deliveries_total{outcome="delivered"} 1',
    ):
        assert line in metrics


def test_private_addresses_are_refused_by_default(open_app: Callable[..., App], receiver: Receiver) -> None:
    app = open_app(PUSHI_WEBHOOK_ALLOW_PRIVATE=0)
    app.connect_to("news")
    waiting = wait_until(
        lambda: [entry for entry in pushi(app, "list")["waiting"] if entry["attempts"]], "an attempt fails"
    )
    assert "PUSHI_WEBHOOK_ALLOW_PRIVATE" in waiting[0]["problem"]
    assert receiver.calls.empty()
