"""Web hooks as notification targets of the real binary, through `kill -9`."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from fixtures.app import App
from fixtures.receiver import Receiver
from fixtures.server import Server
from fixtures.stores import KINDS, new_store

TARGETS = 3
# Acknowledgements to wait for before each kill, and the number of kills.
ENOUGH = 60
KILLS = 3


class Publisher(threading.Thread):
    """Publishes one event at a time until the connection is lost."""

    def __init__(self, app: App, numbers: Iterator[int], acknowledged: list[str]) -> None:
        super().__init__()
        self.app, self.numbers, self.acknowledged = app, numbers, acknowledged
        self.wanted = len(acknowledged) + ENOUGH
        self.enough = threading.Event()

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self.app.token}"}
        with httpx.Client(base_url=self.app.server.url, headers=headers, timeout=20) as http:
            for number in self.numbers:
                try:
                    answer = http.post("/events", json={"channel": "news", "data": str(number)})
                except httpx.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                self.acknowledged.append(str(number))
                if len(self.acknowledged) >= self.wanted:
                    self.enough.set()


@pytest.mark.parametrize("kind", KINDS)
def test_no_notification_of_an_acknowledged_publish_is_lost(
    launch: Callable[..., Server], receiver: Receiver, tmp_path: Path, kind: str
) -> None:
    with new_store(kind, tmp_path) as url:
        server = launch(DATABASE_URL=url, PUSHI_WEBHOOK_ALLOW_PRIVATE=1)
        app = server.create_app()
        for number in range(TARGETS):
            target = {"url": f"http://127.0.0.1:{receiver.port}/{number}", "event": "news"}
            assert app.rest.post("/webs", json=target).status_code == 200
        acknowledged: list[str] = []
        numbers = iter(range(1_000_000))
        for _ in range(KILLS):
            publisher = Publisher(app, numbers, acknowledged)
            publisher.start()
            assert publisher.enough.wait(60)
            server.kill()
            publisher.join(60)
            assert not publisher.is_alive()
            server.start()
        missing = {(f"/{number}", text) for number in range(TARGETS) for text in acknowledged}
        received: Counter[tuple[str, str]] = Counter()
        while missing:
            call = receiver.call(60)
            key = (call.path, json.loads(call.body)["data"])
            received[key] += 1
            missing.discard(key)
        # Only what was on its way when the server was killed is sent again: one event of each target.
        assert sum(received.values()) - len(received) <= KILLS * TARGETS
        server.stop()
