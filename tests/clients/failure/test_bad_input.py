"""Malicious or broken peers: each receives an error response, and other clients are not affected."""

import json
from collections.abc import Callable, Iterator

import pytest

from fixtures.app import App
from fixtures.problem import problem
from fixtures.raw import RawSocket
from fixtures.server import Server
from fixtures.waiting import wait_until


@pytest.fixture
def bystander(app: App) -> Iterator[App]:
    """Checks after the test that an earlier socket still receives events, and that memory usage is bounded."""
    socket = app.connect_to("bystander")
    yield app
    app.publish("bystander", "still here")
    assert socket.expect("message", "bystander")["data"] == "still here"
    assert "panicked" not in app.server.log


GARBAGE = [
    b"\x00\x01\x02\x03\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200 + b"\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X-Y: " + b"a" * 200_000 + b"\r\n\r\n",
    b"".join([b"GET / HTTP/1.1\r\n", *[b"X-%d: y\r\n" % number for number in range(5000)], b"\r\n"]),
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: banana\r\n\r\n",
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_what_is_not_http_is_answered_with_4xx_or_closed(bystander: App, garbage: bytes) -> None:
    for port in (bystander.server.app_port, bystander.server.server_port):
        with RawSocket(port) as raw:
            try:
                raw.send(garbage)
                status = raw.read_head().split(" ")[1]
                assert status.startswith("4") or status == "505", status
            except (EOFError, ConnectionError):
                pass


def test_a_handshake_that_never_ends_is_cut_off(launch: Callable[..., Server]) -> None:
    server = launch(PUSHI_HANDSHAKE_TIMEOUT=1)
    app = server.create_app()
    for port in (server.app_port, server.server_port):
        with RawSocket(port) as silent, RawSocket(port) as halfway:
            halfway.send(b"GET /x HTTP/1.1\r\nHost: x\r\nUpgra")
            assert silent.ends(8)
            assert halfway.ends(8)
    with RawSocket(server.server_port) as slow:
        # Single bytes do not extend the timeout.
        head = b"GET /x HTTP/1.1\r\nX-Long: "
        slow.send(head)
        slow.tcp.settimeout(0.3)

        def cut() -> bool:
            try:
                slow.send(b"a")
                return slow.tcp.recv(100) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        wait_until(cut, "the slow handshake is cut off", 8)
    app.connect()
    app.close()


def test_many_unfinished_handshakes_keep_nobody_out(bystander: App) -> None:
    raws = [RawSocket(bystander.server.server_port) for _ in range(200)]
    try:
        for raw in raws[::2]:
            raw.send(b"GET /x HTTP/1.1\r\n")
        bystander.connect()
    finally:
        for raw in raws:
            raw.tcp.close()


HEAD = "GET /{key} HTTP/1.1\r\nHost: x\r\n{rest}\r\n"
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    "rest",
    [
        UPGRADE,
        UPGRADE + "Sec-WebSocket-Version: 13\r\n",
        UPGRADE + "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        UPGRADE + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ],
    ids=["no-version", "no-key", "old-version", "short-key", "no-connection"],
)
def test_a_malformed_upgrade_is_a_4xx(bystander: App, rest: str) -> None:
    with RawSocket(bystander.server.server_port) as raw:
        raw.send(HEAD.format(key=bystander.key, rest=rest).encode())
        assert raw.read_head().split(" ")[1].startswith("4")


def test_a_half_open_connection_is_noticed_by_its_silence(launch: Callable[..., Server]) -> None:
    # The timeout of a response is 30 s by specification: this is the only slow test of the suite.
    app = launch(PUSHI_ACTIVITY_TIMEOUT=1).create_app()
    with RawSocket(app.server.server_port) as raw:
        raw.upgrade(f"/{app.key}")
        raw.read_frame()
        assert len(app.live()) == 1
        assert raw.read_frame().opcode == 9
        # No pong is sent.
        frame = raw.read_frame(seconds=45)
        if frame.opcode == 1:
            assert json.loads(frame.payload)["data"]["code"] == 4201
            frame = raw.read_frame()
        assert frame.close_code == 4201
    wait_until(lambda: app.live() == {}, "the connection is gone")
    app.close()


def test_a_slow_reader_is_let_go_and_the_others_miss_nothing(launch: Callable[..., Server]) -> None:
    server = launch(PUSHI_MAX_PENDING_BYTES=600_000)
    app = server.create_app()
    reader = app.connect_to("global")
    with RawSocket(server.server_port, receive_buffer=4096) as slow:
        slow.upgrade(f"/{app.key}")
        greeting = json.loads(slow.read_frame().payload)
        slow_id = json.loads(greeting["data"])["socket_id"]
        slow.send_frame(1, b'{"event":"pusher:subscribe","data":{"channel":"global"}}')
        slow.read_frame()
        # It stops reading. The kernel's buffers take some megabytes before the server's writes block.
        sent = 0
        while slow_id in app.live():
            assert sent < 200, "40 MB lie unread and the reader is still there"
            app.publish("global", "x" * 200_000, persist=False)
            sent += 1
        for _ in range(sent):
            reader.expect("message", "global")
        reader.quiet()
        # A client that resumes reading receives the reason after the frames in transit.
        frame = slow.read_frame()
        while frame.opcode == 1 and b"pusher:error" not in frame.payload[:100]:
            frame = slow.read_frame()
        if frame.opcode == 1:
            frame = slow.read_frame()
        assert frame.close_code == 4100
    app.close()


def test_a_body_over_the_limit_is_refused_before_it_is_sent(bystander: App) -> None:
    with RawSocket(bystander.server.app_port) as raw:
        raw.send(
            f"POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bystander.token}\r\n"
            "Content-Type: application/json\r\nContent-Length: 10000000000\r\n\r\n".encode()
        )
        assert raw.read_head().split(" ")[1] == "413"


def test_a_body_over_the_limit_in_chunks_is_refused_too(bystander: App) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    # Repeated: a response is easily lost if the server closes while the client still writes.
    for _ in range(20):
        answer = bystander.rest.post("/events", content=chunks(), headers={"Content-Type": "application/json"})
        problem(answer, 413)


def test_a_body_that_never_comes_holds_nobody_up(bystander: App) -> None:
    with RawSocket(bystander.server.app_port) as raw:
        raw.send(
            f"POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bystander.token}\r\n"
            'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"data":'.encode()
        )
        bystander.publish("global", "x")


@pytest.mark.parametrize(
    "text", ["[" * 60_000, '{"a":' * 12_000, '{"event":"x","data":' + "[" * 30_000 + "]" * 30_000 + "}"]
)
def test_deeply_nested_json(bystander: App, text: str) -> None:
    socket = bystander.connect()
    socket.send_text(text)
    assert socket.expect("pusher:error")
    answer = bystander.rest.post("/events", content=text, headers={"Content-Type": "application/json"})
    # Nesting inside `data` is harmless, since the server only forwards it.
    assert answer.status_code == 200 if '"data"' in text else 400 <= answer.status_code < 500
    socket.quiet()


def test_frames_that_break_the_websocket_protocol_end_that_connection_alone(bystander: App) -> None:
    for opcode, payload in ((3, b"x"), (0, b"x"), (9, b"x" * 126), (8, b"\x03")):
        with RawSocket(bystander.server.server_port) as raw:
            raw.upgrade(f"/{bystander.key}")
            raw.read_frame()
            raw.send_frame(opcode, payload)
            assert raw.ends(10), opcode


def test_a_length_that_nobody_could_send_is_refused_at_once(bystander: App) -> None:
    with RawSocket(bystander.server.server_port) as raw:
        raw.upgrade(f"/{bystander.key}")
        raw.read_frame()
        raw.send(b"\x81\xff" + (2**62).to_bytes(8, "big") + b"mask")
        frame = raw.read_frame()
        assert json.loads(frame.payload)["data"]["code"] == 4318
        assert raw.read_frame().close_code == 1009
