"""`kill -9` in the middle of a stream: acknowledged events are stored, and serials have no gap."""

import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from fixtures.app import App
from fixtures.server import Server
from fixtures.sockets import Socket
from fixtures.waiting import wait_until

CHANNELS = [f"stream-{number}" for number in range(4)]
# Acknowledgements to wait for before the kill: enough that several commits lie behind and more are under way.
ENOUGH = 400


class Acknowledged:
    """The acknowledged texts by channel."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {channel: [] for channel in CHANNELS}

    def count(self) -> int:
        """Number of acknowledgements over all channels."""
        return sum(map(len, self.texts.values()))


def stored(app: App, channel: str) -> list[dict[str, Any]]:
    """The whole history of a channel, oldest first, read in pages through `since`."""
    events: list[dict[str, Any]] = []
    while page := app.history(channel, since=events[-1]["serial"] if events else 0, count=100):
        events.extend(page)
    return events


def check(app: App, acknowledged: Acknowledged) -> None:
    """Everything acknowledged is stored, in the order in which it was sent, and serials are contiguous from 1."""
    for channel in CHANNELS:
        events = stored(app, channel)
        assert [event["serial"] for event in events] == list(range(1, len(events) + 1))
        texts = [event["data"]["data"] for event in events]
        assert len(set(texts)) == len(texts)
        # One publisher per channel; it may have been stopped before its last acknowledgements arrived.
        assert texts[: len(acknowledged.texts[channel])] == acknowledged.texts[channel]


def publish_over_rest(app: App, channel: str, acknowledged: Acknowledged) -> None:
    """Publishes one event at a time until the connection is lost."""
    with httpx.Client(base_url=app.server.url, headers={"Authorization": f"Bearer {app.token}"}, timeout=20) as http:
        for number in range(1_000_000):
            try:
                answer = http.post("/events", json={"channel": channel, "data": str(number)})
            except httpx.TransportError:
                return
            assert answer.status_code == 200, answer.text
            acknowledged.texts[channel].append(str(number))


def publish_over_a_socket(socket: Socket, channel: str, acknowledged: Acknowledged) -> None:
    """Keeps up to 32 publishes in flight until the connection is lost."""
    sent = 0
    try:
        while True:
            while sent < len(acknowledged.texts[channel]) + 32:
                socket.publish(channel, str(sent), ref=str(sent))
                sent += 1
            frame = socket.frame()
            assert frame["event"] == "pusher_internal:published", frame
            acknowledged.texts[channel].append(json.loads(frame["data"])["ref"])
    except ConnectionClosed:
        return


@pytest.mark.parametrize("way", ["rest", "socket"])
def test_nothing_acknowledged_is_lost(launch: Callable[..., Server], way: str) -> None:
    first = launch("same")
    app = first.create_app()
    assert app.token
    acknowledged = Acknowledged()
    failures: list[BaseException] = []

    def guarded(work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as failure:
            failures.append(failure)

    if way == "rest":
        work = [(publish_over_rest, app, channel, acknowledged) for channel in CHANNELS]
    else:
        work = [(publish_over_a_socket, app.connect_to(channel), channel, acknowledged) for channel in CHANNELS]
    threads = [threading.Thread(target=guarded, args=one, daemon=True) for one in work]
    for thread in threads:
        thread.start()
    wait_until(lambda: failures or acknowledged.count() >= ENOUGH, f"{ENOUGH} acknowledged publishes", 60)
    first.kill()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert failures == []
    app.close()

    again = launch("same").adopt(app)
    check(again, acknowledged)
    # Serials continue.
    before = {channel: len(stored(again, channel)) for channel in CHANNELS}
    for channel in CHANNELS:
        again.publish(channel, "after")
        assert again.history(channel, count=1)[0]["serial"] == before[channel] + 1
    again.close()


def test_apps_subscriptions_and_sessions_survive_a_kill(launch: Callable[..., Server]) -> None:
    first = launch("same")
    app = first.create_app()
    token = app.token
    made = app.follow("u1", "news")
    app.configure(client_publish=False)
    rotated = app.rest.post(f"/apps/{app.ident}/rotate").json()
    app.close()
    first.kill()

    again = launch("same")
    headers = {"Authorization": f"Bearer {token}"}
    assert again.http.get("/subscriptions", headers=headers).json()["subscriptions"] == [made]
    now = again.http.get(f"/apps/{app.ident}", headers=headers).json()
    assert now["client_publish"] is False
    assert (now["secret"], now["previous_secret"]) == (None, app.secret)
    kept = again.admin.get(f"/apps/{app.ident}").json()
    assert (kept["secret"], kept["previous_secret"]) == (rotated["secret"], app.secret)


def test_an_idempotency_key_holds_over_a_kill(launch: Callable[..., Server]) -> None:
    first = launch("same")
    app = first.create_app()
    headers = {"Idempotency-Key": "order-17"}
    assert app.rest.post("/events", json={"data": "x"}, headers=headers).status_code == 200
    app.close()
    first.kill()
    again = launch("same").adopt(app)
    assert again.rest.post("/events", json={"data": "x"}, headers=headers).status_code == 200
    assert len(again.history("global")) == 1
    again.close()
