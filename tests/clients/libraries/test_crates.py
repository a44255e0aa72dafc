"""crates.io `pusher`, the server library for Rust, behind the command line that `tests/setup` builds of it."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixtures.app import App
from fixtures.receiver import Receiver
from fixtures.server import Server
from fixtures.sockets import Socket

LIBRARY = os.environ.get("PUSHI_RUST_LIBRARY", "")


class Library:
    """An app's back end in Rust."""

    def __init__(self, app: App) -> None:
        self.app = app

    def run(self, *given: str) -> subprocess.CompletedProcess[str]:
        """Does one thing with it."""
        app = self.app
        host = f"127.0.0.1:{app.server.app_port}"
        named = {"APP_ID": app.ident, "APP_KEY": app.key, "APP_SECRET": app.secret, "PUSHER_HOST": host}
        return subprocess.run([LIBRARY, *given], env=named, capture_output=True, text=True, timeout=20, check=False)

    def __call__(self, *given: str) -> Any:
        """What it prints."""
        done = self.run(*given)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *given: str) -> str:
        """Its error output."""
        done = self.run(*given)
        assert done.returncode == 1, done
        return done.stderr

    def on(self, channel: str, user: str = "ann") -> Socket:
        """A client on a channel, with the library's signature."""
        socket = self.app.open_at(f"{self.app.server.ws_url}/app/{self.app.key}?protocol=7")
        socket.greet()
        signed: dict[str, Any] = {"auth": ""}
        if channel.startswith("presence-"):
            signed = self("presence", channel, socket.id, user)
        elif channel.startswith("private-"):
            signed = self("private", channel, socket.id)
        socket.send("pusher:subscribe", {"channel": channel, **signed})
        socket.expect("pusher_internal:subscription_succeeded", channel)
        return socket


@pytest.fixture
def library(app: App) -> Iterator[Library]:
    """The library for a fresh app."""
    assert os.path.isfile(LIBRARY), "PUSHI_RUST_LIBRARY must name what setup_rust_library of tests/setup builds"
    yield Library(app)


def test_trigger(library: Library) -> None:
    reader = library.on("news")
    library("trigger", "news", "e", "text")
    assert reader.expect("e", "news")["data"] == '"text"'
    library("trigger-multi", "else news", "f", "text")
    reader.expect("f", "news")


def test_trigger_leaves_the_named_socket_out(library: Library) -> None:
    mine, theirs = library.on("private-a"), library.on("private-a")
    library("trigger-exclusive", "private-a", "e", "x", mine.id)
    theirs.expect("e", "private-a")
    mine.quiet()


def test_channel_queries(library: Library) -> None:
    assert library("channels") == {}
    _readers = [library.on("news"), library.on("presence-a"), library.on("presence-a", "bo")]
    assert library("channels") == {"news": [None, None, None], "presence-a": [None, None, None]}
    counts = library("channels", "presence-", "user_count,subscription_count")
    assert counts == {"presence-a": [None, 2, 2]}
    assert library("channel", "presence-a", "user_count") == [True, 2, None]
    assert library("channel", "nobody", "subscription_count") == [False, None, 0]
    assert library("users", "presence-a") == ["ann", "bo"]


def test_what_is_wrong_comes_back_with_its_reason(server: Server, library: Library) -> None:
    assert "400" in library.refused("trigger", "news", "pusher:x", "x")
    assert "presence-" in library.refused("channel", "news", "user_count")
    library.app.secret = "another"
    message = library.refused("channels")
    assert "401" in message and "auth_signature" in message


def test_a_webhook_is_valid_and_says_what_happened(launch: Callable[..., Server]) -> None:
    receiver = Receiver()
    app = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1).create_app(settings={"webhooks": [{"url": receiver.url}]})
    library = Library(app)
    library.on("news")
    call = receiver.call()
    read = library("webhook", call.key, call.signature, call.body)
    assert read["events"] == [{"name": "channel_occupied", "channel": "news"}]
    assert "Invalid webhook" in library.refused("webhook", call.key, "0" * 64, call.body)
    app.close()
    receiver.close()
