"""Error frames: an invalid frame is answered with an error, and the connection stays open."""

import json

import pytest

from fixtures.app import App
from fixtures.raw import RawSocket


@pytest.mark.parametrize(
    "text", ["", "{", "not json", '{"event":"x",}', '{"event":"a"}{"event":"b"}', "\u0000", "[" * 50_000]
)
def test_4310_what_is_not_json(app: App, text: str) -> None:
    socket = app.connect()
    socket.send_text(text)
    socket.error(4310, channel="")
    socket.quiet()


@pytest.mark.parametrize("text", ["[]", "7", "null", '"pusher:ping"', "true"])
def test_4311_what_is_not_an_object(app: App, text: str) -> None:
    socket = app.connect()
    socket.send_text(text)
    socket.error(4311, channel="")
    socket.quiet()


@pytest.mark.parametrize(
    "text", ["{}", '{"data":{}}', '{"event":null}', '{"event":7,"channel":"global"}', '{"event":{}}']
)
def test_4312_what_has_no_event(app: App, text: str) -> None:
    socket = app.connect()
    socket.send_text(text)
    socket.error(4312)
    socket.quiet()


@pytest.mark.parametrize(
    "event",
    [
        "pusher:nonsense",
        "pusher:",
        "pusher:error",
        "pusher_internal:subscription_succeeded",
        "pusher_internal:x",
        "pusher:member_added",
    ],
)
def test_4313_what_is_the_protocols_own_but_no_request(app: App, event: str) -> None:
    socket, reader = app.connect_to("global"), app.connect_to("global")
    socket.publish("global", "x", event=event, ref="9")
    assert socket.error(4313, event)["ref"] == "9"
    socket.quiet()
    reader.quiet()


@pytest.mark.parametrize("event", ["pusher:subscribe", "pusher:unsubscribe", "pusher:latest"])
@pytest.mark.parametrize(
    "data", [None, {}, {"channel": None}, {"channel": 7}, {"channel": ["a"]}, "global", "[]", 7, ["a"]]
)
def test_4314_requests_without_a_channel_or_with_malformed_data(app: App, event: str, data: object) -> None:
    socket = app.connect()
    socket.send(event, data)
    socket.error(4314, event)
    socket.quiet()


def test_4314_a_publish_without_a_channel(app: App) -> None:
    socket = app.connect_to("global")
    for members in ({}, {"channel": None}, {"channel": 7}, {"channel": ["global"]}):
        socket.send("message", "x", **members)
        socket.error(4314, "message")
    socket.quiet()


@pytest.mark.parametrize("channel", ["", "x" * 201, "é" * 201, "a\nb", "a\u0000b", "\u007f", "a\u0085b", "\ud800"])
def test_4315_channel_names_that_are_not_allowed(app: App, channel: str) -> None:
    socket = app.connect()
    socket.ask(channel)
    frame = socket.expect("pusher:error")
    # An unpaired surrogate is not valid Unicode, so the JSON is rejected.
    assert frame["data"]["code"] == 4315 or (channel == "\ud800" and frame["data"]["code"] in (4310, 4314)), frame
    socket.quiet()


@pytest.mark.parametrize("event", ["", "x" * 201, "a\tb", "a\u0000"])
def test_4315_event_names_that_are_not_allowed(app: App, event: str) -> None:
    socket = app.connect_to("global")
    socket.publish("global", "x", event=event)
    socket.error(4315)
    socket.publish("global", "x", event="x" * 200, echo=True)
    socket.expect("x" * 200)


def test_4318_and_1009_a_frame_over_the_limit_cannot_be_read_past(app: App) -> None:
    socket, reader = app.connect_to("global"), app.connect_to("global")
    socket.publish("global", "x" * 70_000)
    socket.error(4318)
    assert socket.closed() == ([], 1009)
    reader.quiet()


def test_a_frame_of_exactly_the_limit_is_taken(app: App) -> None:
    socket = app.connect_to("global")
    frame = '{"event":"message","channel":"global","echo":true,"data":""}'
    socket.send_text(frame.replace('""', f'"{"x" * (65_536 - len(frame))}"'))
    assert len(socket.expect("message")["data"]) == 65_536 - len(frame)
    socket.send_text(frame.replace('""', f'"{"x" * (65_537 - len(frame))}"'))
    socket.error(4318)
    assert socket.closed()[1] == 1009


def test_an_apps_own_limit_of_a_frame(app: App) -> None:
    app.configure(max_message_bytes=1000)
    small = app.connect_to("global")
    small.publish("global", "x" * 1000)
    small.error(4318)
    assert small.closed()[1] == 1009
    app.configure(max_message_bytes=200_000)
    large = app.connect_to("global")
    large.publish("global", "x" * 150_000, echo=True)
    assert len(large.expect("message")["data"]) == 150_000


def test_a_message_in_many_fragments_is_bounded_too(app: App) -> None:
    with RawSocket(app.server.server_port) as raw:
        raw.upgrade(f"/{app.key}")
        raw.read_frame()
        raw.send_frame(1, b'{"event":"', final=False)
        for _ in range(69):
            raw.send_frame(0, b"x" * 1000, final=False)
        error = raw.read_frame()
        assert error.opcode == 1 and json.loads(error.payload)["data"]["code"] == 4318
        assert raw.read_frame().close_code == 1009


def test_4319_more_subscriptions_than_a_socket_may_have(app: App) -> None:
    app.configure(max_channels_per_connection=3)
    app.follow("u1", "by-alias")
    socket = app.connect_to("a", "b", "personal-u1")
    socket.ask("d")
    error = socket.error(4319, "pusher:subscribe", "d")
    assert "channels" in error["message"]
    # A repeated subscription does not count, and an unsubscription frees its slot.
    socket.subscribe("a")
    socket.unsubscribe("a")
    socket.subscribe("d")
    app.publish("by-alias", "x")
    socket.expect("message", "by-alias")


def test_4321_a_binary_frame(app: App) -> None:
    socket = app.connect_to("global")
    socket.send_text(b'{"event":"pusher:ping"}')
    socket.error(4321, channel="")
    socket.quiet()


def test_an_unmasked_frame_ends_the_connection_and_nothing_else(app: App) -> None:
    reader = app.connect_to("global")
    with RawSocket(app.server.server_port) as raw:
        raw.upgrade(f"/{app.key}")
        raw.read_frame()
        raw.send_frame(1, b'{"event":"pusher:ping"}', masked=False)
        assert raw.ends(10)
    reader.quiet()


def test_text_that_is_not_utf_8_ends_the_connection_with_1007(app: App) -> None:
    with RawSocket(app.server.server_port) as raw:
        raw.upgrade(f"/{app.key}")
        raw.read_frame()
        raw.send_frame(1, b'{"event":"\xff\xfe"}')
        frame = raw.read_frame()
        if frame.opcode == 1:
            assert json.loads(frame.payload)["event"] == "pusher:error"
            frame = raw.read_frame()
        assert frame.close_code == 1007


def test_an_error_repeats_the_ref_and_its_event(app: App) -> None:
    socket = app.connect()
    socket.send("pusher:subscribe", {"channel": "private-x"}, ref="first")
    error = socket.error(4009, "pusher:subscribe", "private-x")
    assert error["ref"] == "first"
    socket.send("pusher:latest", {"channel": "private-x"}, ref="second")
    assert socket.error(4317, "pusher:latest")["ref"] == "second"
    socket.send("pusher:latest", {"channel": "private-x"})
    assert "ref" not in socket.error(4317, "pusher:latest")


def test_many_errors_in_a_row_leave_the_connection_open(app: App) -> None:
    socket = app.connect()
    for _ in range(100):
        socket.send_text("{")
    for _ in range(100):
        socket.error(4310)
    socket.quiet()
