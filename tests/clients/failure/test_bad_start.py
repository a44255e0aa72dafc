"""Failed starts print one line and exit with code 2."""

import re
import resource
import signal
import sqlite3
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from fixtures.app import App
from fixtures.server import Server
from fixtures.waiting import wait_until


def refused(server: Server) -> str:
    """Starts, expects exit code 2, and returns the single line with the reason."""
    before = len(server.log)
    server.spawn()
    assert server.process is not None
    assert server.process.wait(20) == 2, server.log
    lines = server.log[before:].strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_PORT", "abc"),
        ("APP_PORT", "70000"),
        ("SERVER_PORT", "-1"),
        ("APP_HOST", "not an address"),
        ("APP_SSL", "maybe"),
        ("DATABASE_URL", "oracle://x"),
        ("PUSHI_MAX_CONNECTIONS", "many"),
        ("PUSHI_DRAIN_SECONDS", "soon"),
        ("PUSHI_SESSION_TTL", "30 parsecs"),
        ("PUSHI_OPEN_REGISTRATION", "perhaps"),
        ("PUSHI_TRUSTED_PROXIES", "everybody"),
    ],
)
def test_a_value_that_cannot_be_used(launch: Callable[..., Server], name: str, value: str) -> None:
    line = refused(launch(ready=False, **{name: value}))
    assert name in line and value in line


def test_tls_without_its_files(launch: Callable[..., Server]) -> None:
    assert "SERVER_SSL" in refused(launch(ready=False, SERVER_SSL=1))
    line = refused(launch("other", ready=False, APP_SSL=1, APP_SSL_KEY="/no/such.key", APP_SSL_CER="/no/such.cer"))
    assert "/no/such" in line


def test_a_secret_in_a_bad_value_is_not_repeated(launch: Callable[..., Server]) -> None:
    line = refused(launch(ready=False, DATABASE_URL="oracle://scott:tiger@db.example/x"))
    assert "tiger" not in line


def test_a_database_file_that_is_not_one(launch: Callable[..., Server]) -> None:
    server = launch(ready=False)
    (server.folder / "pushi.db").write_bytes(b"this is a text file and no database\n" * 200)
    assert "pushi.db" in refused(server)


def test_a_database_that_cannot_be_opened(launch: Callable[..., Server]) -> None:
    server = launch(ready=False)
    (server.folder / "pushi.db").mkdir()
    assert "pushi.db" in refused(server)
    assert refused(launch("other", ready=False, DATABASE_URL="sqlite:///no/such/folder/pushi.db"))


def test_a_database_of_a_newer_version(launch: Callable[..., Server]) -> None:
    server = launch()
    server.stop()
    with sqlite3.connect(server.folder / "pushi.db") as database:
        row = (99_999_999_999_999, "from the future", True, b"", 0)
        columns = "version, description, success, checksum, execution_time"
        database.execute(f"INSERT INTO _sqlx_migrations ({columns}) VALUES (?, ?, ?, ?, ?)", row)
    database.close()
    assert "newer" in refused(server)


def test_a_port_that_is_taken(launch: Callable[..., Server]) -> None:
    first = launch("first")
    second = launch("second", ready=False, APP_PORT=first.app_port)
    second.spawn()
    assert second.process is not None
    assert second.process.wait(20) != 0
    assert str(first.app_port) in second.log
    assert first.is_ready()


def test_an_unknown_variable_is_warned_about(launch: Callable[..., Server]) -> None:
    server = launch(PUSHI_MAX_CONECTIONS=5)
    assert "PUSHI_MAX_CONECTIONS" in server.log


def test_port_0_takes_a_free_one_and_the_log_says_which(launch: Callable[..., Server]) -> None:
    server = launch(ready=False, APP_PORT=0, SERVER_PORT=0).spawn()

    def said() -> list[str]:
        return sorted(set(re.findall(r"127\.0\.0\.1:([1-9]\d*)", server.log + server.printed)))

    ports = wait_until(lambda: said() if len(said()) >= 2 else None, "two ports in the log")

    def answers(port: str) -> bool:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200

    assert all(answers(port) for port in ports)


def test_a_full_disk_is_an_error_and_never_a_lost_event(launch: Callable[..., Server]) -> None:
    first = launch("same")
    app = first.create_app()
    app.close()
    first.stop()
    size = max(path.stat().st_size for path in first.folder.glob("pushi.db*"))

    def small_disk() -> None:
        # Otherwise the kernel kills a process that writes beyond the limit; ignored, the write fails as on a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 400_000, size + 400_000))

    full = launch("same", preexec=small_disk).adopt(app)
    sender, reader = full.connect_to("global"), full.connect_to("global")
    # A login is written to the store, so it precedes the full disk.
    rest = full.rest
    acknowledged: list[str] = []
    failed: dict[str, Any] | None = None
    for number in range(2000):
        sender.publish("global", f"{number} " + "x" * 5000, ref=str(number))
        frame = sender.frame()
        if frame["event"] == "pusher:error":
            failed = frame
            break
        acknowledged.append(str(number))
    assert failed is not None, "10 MB were stored in a file of 400 kB"
    assert failed["data"]["code"] == 4320
    assert failed["data"]["ref"] == str(len(acknowledged))
    answer = rest.post("/events", json={"data": "x" * 5000})
    assert answer.status_code == 503 and answer.json()["code"] == 503
    # Events that are not persisted are still delivered.
    heard = [reader.expect("message")["serial"] for _ in acknowledged]
    assert heard == list(range(1, len(acknowledged) + 1))
    full.publish("live", "x", persist=False)
    sender.publish("global", "live", event="live", persist=False)
    assert [frame for frame in reader.until("live") if frame["event"] != "message"] == []
    full.close()
    full.server.stop()

    again: App = launch("same").adopt(app)
    events = again.connect().subscribe("global", since=0)["events"]
    texts = [event["data"]["data"].split(" ")[0] for event in events]
    assert texts[: len(acknowledged)] == acknowledged
    assert [event["serial"] for event in events] == list(range(1, len(events) + 1))
    again.close()
