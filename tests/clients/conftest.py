"""One server for most tests, with an app for each; a separate server for tests that need other settings."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fixtures.app import App
from fixtures.mail import MailServer
from fixtures.push_service import PushService
from fixtures.receiver import Receiver
from fixtures.server import BINARY, Server


@pytest.fixture(scope="session", autouse=True)
def binary() -> Path:
    """The binary under test."""
    assert BINARY.is_file(), f"{BINARY} is not there: run `cargo build --release`, or name another in PUSHI_BIN"
    return BINARY


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that most tests share, on an SQLite file, with default limits."""
    running = Server(tmp_path_factory.mktemp("server"))
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts separate servers for a test. The same folder means the same database."""
    running: list[Server] = []

    def start(folder: str = "own", ready: bool = True, **settings: Any) -> Server:
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        own = Server(place, **settings)
        running.append(own)
        return own.start() if ready else own

    try:
        yield start
    finally:
        for own in running:
            own.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A back end."""
    listening = Receiver()
    try:
        yield listening
    finally:
        listening.close()


@pytest.fixture
def browser() -> Iterator[PushService]:
    """A push service with a browser."""
    listening = PushService()
    try:
        yield listening
    finally:
        listening.close()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    """A mail server."""
    listening = MailServer()
    try:
        yield listening
    finally:
        listening.close()


@pytest.fixture
def app(server: Server) -> Iterator[App]:
    """A fresh app on the shared server."""
    fresh = server.create_app()
    try:
        yield fresh
    finally:
        fresh.close()


@pytest.fixture
def run_together() -> Callable[..., list[Any]]:
    """Runs several callables concurrently, each on its own thread; returns their results in order."""

    def run(callables: list[Callable[[], Any]]) -> list[Any]:
        with ThreadPoolExecutor(len(callables)) as pool:
            return [future.result(60) for future in [pool.submit(one) for one in callables]]

    return run
