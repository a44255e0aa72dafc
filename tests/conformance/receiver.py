"""A receiver of the webhooks of the server under test."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Event = dict[str, Any]


@dataclass
class Call:
    """One received request."""

    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[Event]:
        """Its events."""
        return json.loads(self.body)["events"]


class Receiver:
    """Listens at the address that the app's webhook names."""

    def __init__(self, url: str) -> None:
        self.calls: list[Call] = []
        self.came = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """Records a request."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.came:
                    receiver.calls.append(Call({name.lower(): value for name, value in self.headers.items()}, body))
                    receiver.came.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Disables logging."""

        parts = urlsplit(url)
        http = ThreadingHTTPServer((parts.hostname or "127.0.0.1", parts.port or 80), Handler)
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, daemon=True).start()

    def events(self, channel: str) -> list[Event]:
        """The events of a channel received so far, in order."""
        with self.came:
            return [event for call in self.calls for event in call.events if event.get("channel") == channel]

    def call(self, channel: str, seconds: float) -> Call:
        """The first request with an event of a channel."""
        self.wait(lambda: self.events(channel), f"no webhook about {channel} came", seconds)
        with self.came:
            return next(call for call in self.calls if any(event.get("channel") == channel for event in call.events))

    def told(self, channel: str, name: str, seconds: float) -> Event:
        """The newest of these events about a channel."""

        def found() -> list[Event]:
            return [event for event in self.events(channel) if event["name"] == name]

        self.wait(found, f"no {name} came", seconds)
        return found()[-1]

    def wait(self, condition: Callable[[], Any], otherwise: str, seconds: float) -> None:
        """Waits for a request."""
        deadline = time.monotonic() + seconds
        while not condition():
            with self.came:
                left = deadline - time.monotonic()
                assert left > 0, otherwise
                self.came.wait(min(left, 0.1))
