"""`pushi copy`: users and back ends see the same app data in the new store."""

import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fixtures.app import App
from fixtures.server import BINARY, Server
from fixtures.stores import KINDS, new_store
from fixtures.tool import run

USERS = ["ann", "bo", "cy"]
CHANNELS = ["news", "private-täglich", "cache-board"]


def fill(app: App) -> None:
    """Events in several channels, and subscriptions that began, ended, and began again."""
    app.publish("news", "before")
    app.follow("ann", "news")
    app.follow("bo", "news")
    for text in ("1", "2"):
        app.publish("news", text, colour="red")
        app.publish("private-täglich", text)
    app.unfollow("ann", "news")
    app.publish("news", "missed by ann")
    app.follow("ann", "news")
    app.follow("ann", "private-täglich")
    app.publish("news", "4")
    app.unfollow("ann", "news")
    app.unfollow("bo", "news")
    app.publish("news", "missed by both")
    app.follow("bo", "private-täglich")
    app.publish("private-täglich", {"n": 1}, event="note")
    app.publish("personal-cy", "for cy")
    app.publish("cache-board", "last")


def seen(app: App) -> dict[str, Any]:
    """All persisted data that REST and sockets return."""
    answer: dict[str, Any] = {"recent": app.history(CHANNELS[0])}
    for channel in CHANNELS:
        reader = app.connect()
        replay = reader.subscribe(channel, since=0)
        answer[channel] = {
            "replay": replay["events"],
            "head": replay["serial"],
            "latest": reader.latest(channel, count=100),
            "page": reader.latest(channel, skip=1, count=2),
            "by cursor": app.history(channel, since=1, count=2),
        }
        serials = [event["serial"] for event in replay["events"]]
        assert serials == list(range(1, replay["serial"] + 1))
    for user in USERS:
        answer[user] = app.connect().subscribe(f"personal-{user}")
    answer["subscriptions"] = app.rest.get("/subscriptions").json()
    answer["settings"] = app.rest.get(f"/apps/{app.ident}").json()
    return answer


class Source:
    """A store filled by a server, and the data read from it."""

    def __init__(self, kind: str, folder: Path, url: str) -> None:
        folder.mkdir()
        server = Server(folder, DATABASE_URL=url)
        try:
            app = server.start().create_app("moves")
            fill(app)
            self.kind, self.url, self.created, self.seen = kind, url, app.created, seen(app)
            app.close()
        finally:
            server.close()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Source]]:
    """A filled store of each kind."""
    folder = tmp_path_factory.mktemp("sources")
    with ExitStack() as stack:
        urls = {kind: stack.enter_context(new_store(kind, folder)) for kind in KINDS}
        yield {kind: Source(kind, folder / kind, url) for kind, url in urls.items()}


@pytest.mark.parametrize("to", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_copied_app_is_the_same_behind_every_store(
    sources: dict[str, Source], kind: str, to: str, launch: Callable[..., Server], tmp_path: Path
) -> None:
    source = sources[kind]
    with new_store(to, tmp_path) as url:
        printed = run(BINARY, "copy", "--from", source.url, "--to", url, cwd=tmp_path)
        counted = dict(line.rsplit(maxsplit=1) for line in printed.splitlines()[:-1])
        assert [counted[what] for what in ("apps", "events", "subscriptions", "intervals")] == ["1", "11", "2", "3"]
        server = launch(DATABASE_URL=url)
        app = App(server, source.created)
        assert seen(app) == source.seen
        # New events follow the existing ones.
        reader = app.connect_to("news")
        head = source.seen["news"]["head"]
        newest = max(event["id"] for channel in CHANNELS for event in source.seen[channel]["replay"])
        app.publish("news", "next")
        assert reader.expect("message", "news")["serial"] == head + 1
        assert reader.latest("news", count=1)[0]["id"] > newest
        app.publish("private-täglich", "for ann and bo")
        for user in ("ann", "bo"):
            assert app.connect().subscribe(f"personal-{user}")["events"][0]["data"]["data"] == "for ann and bo"
        app.close()
        server.stop()


def test_it_draws_a_bar_on_a_terminal(sources: dict[str, Source], tmp_path: Path) -> None:
    terminal, ours = pty.openpty()
    command = [BINARY, "copy", "--from", sources["sqlite"].url, "--to", f"sqlite://{tmp_path}/to.db"]
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=ours) as process:
        os.close(ours)
        drawn = bytearray()
        while piece := read(terminal):
            drawn += piece
        assert process.stdout is not None and b"the same in both stores" in process.stdout.read()
    os.close(terminal)
    assert process.returncode == 0
    assert b": copying [" in drawn and b"%" in drawn, drawn


def read(terminal: int) -> bytes:
    """Reads the output of a terminal; empty once its other end is closed."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""
