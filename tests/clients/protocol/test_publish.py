"""Publishing from a socket and over REST: content, order and number of deliveries."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.app import App
from fixtures.sockets import UNSET


def test_a_persisted_event_carries_its_place_and_time(app: App) -> None:
    sender, reader = app.connect_to("global"), app.connect_to("global")
    before = time.time()
    sender.publish("global", {"x": 1})
    frame = reader.expect("message", "global")
    assert set(frame) == {"event", "channel", "data", "mid", "timestamp", "serial"}
    assert json.loads(frame["data"]) == {"x": 1}
    assert re.fullmatch(r"[0-9a-f]{32}", frame["mid"])
    assert frame["serial"] == 1
    assert before - 1 <= frame["timestamp"] <= time.time() + 1


def test_an_event_that_is_not_persisted_carries_none_of_it(app: App) -> None:
    sender, reader = app.connect_to("global"), app.connect_to("global")
    sender.publish("global", {"x": 1}, persist=False)
    frame = reader.expect("message", "global")
    assert set(frame) == {"event", "channel", "data"}
    assert reader.latest("global") == []


@pytest.mark.parametrize("by", ["socket", "rest"])
@pytest.mark.parametrize(
    "data", ["hello", "", '{"already":"text"}', {"a": [1, None, "☃"]}, [1, 2], 5, -1.5, True, "line\nbreak\u0000\u2028"]
)
def test_data_that_is_not_a_string_becomes_one_of_json(app: App, by: str, data: Any) -> None:
    sender, reader = app.connect_to("global"), app.connect_to("global")
    if by == "socket":
        sender.publish("global", data)
    else:
        app.publish("global", data)
    text = reader.expect("message", "global")["data"]
    assert isinstance(text, str)
    assert (text if isinstance(data, str) else json.loads(text)) == data


def test_the_sender_gets_it_only_with_echo(app: App) -> None:
    sender, reader = app.connect_to("global"), app.connect_to("global")
    for echo in (UNSET, False, True):
        sender.publish("global", str(echo), **({} if echo is UNSET else {"echo": echo}))
    assert sender.expect("message")["data"] == "True"
    assert [reader.frame()["serial"] for _ in range(3)] == [1, 2, 3]


def test_from_a_socket_only_event_channel_and_data_travel(app: App) -> None:
    sender, reader = app.connect_to("global"), app.connect_to("global")
    forged = {"mid": "forged", "serial": 99, "timestamp": 1, "publish": "p", "user_id": "admin", "id": 1, "more": "x"}
    sender.publish("global", "x", persist=False, owner_id="someone", instance="elsewhere", **forged)
    assert reader.frame() == {"event": "message", "channel": "global", "data": "x"}
    sender.publish("global", "y", **forged)
    frame = reader.frame()
    assert set(frame) == {"event", "channel", "data", "mid", "timestamp", "serial"}
    assert frame["serial"] == 1 and frame["mid"] != "forged" and frame["timestamp"] != 1


def test_publishing_to_a_channel_that_the_socket_is_not_on(app: App) -> None:
    reader, stranger = app.connect_to("global"), app.connect()
    stranger.publish("global", "x", ref="17")
    error = stranger.error(4317, "message", "global")
    assert error["ref"] == "17"
    stranger.quiet()
    reader.quiet()
    # Nor after it has unsubscribed.
    stranger.subscribe("global")
    stranger.unsubscribe("global")
    stranger.publish("global", "x")
    stranger.error(4317)


def test_a_persisted_publish_with_a_ref_is_acknowledged(app: App) -> None:
    sender, reader = app.connect_to("global"), app.connect_to("global")
    done = sender.publish_acknowledged("global", "x", ref="r" * 64)
    assert set(done) == {"ref", "mid", "serial", "timestamp"}
    frame = reader.expect("message")
    assert {name: frame[name] for name in ("mid", "serial", "timestamp")} == {
        name: done[name] for name in ("mid", "serial", "timestamp")
    }
    # No other client receives it, and an event that is not persisted is not acknowledged.
    reader.quiet()
    sender.publish("global", "x", ref="2", persist=False)
    sender.quiet()


def test_a_ref_that_is_too_long_or_no_string_is_an_error(app: App) -> None:
    sender = app.connect_to("global")
    for ref in ("r" * 65, 7, {}):
        sender.publish("global", "x", ref=ref)
        frame = sender.expect("pusher:error")
        assert frame["data"]["code"] in (4314, 4318), frame
    assert sender.latest("global") == []


def test_a_frame_is_echoed_and_acknowledged_where_both_are_asked_for(app: App) -> None:
    sender = app.connect_to("global")
    sender.publish("global", "x", echo=True, ref="1")
    assert sorted(sender.frame()["event"] for _ in range(2)) == ["message", "pusher_internal:published"]


def test_an_app_can_forbid_its_sockets_to_publish(app: App) -> None:
    app.configure(client_publish=False)
    sender, reader = app.connect_to("global"), app.connect_to("global")
    sender.publish("global", "x", ref="1")
    assert sender.expect("pusher:error", "global")["data"]["ref"] == "1"
    app.publish("global", "from the back end")
    assert reader.expect("message")["data"] == "from the back end"


def test_publishes_over_the_rate_are_refused_with_4301(app: App) -> None:
    app.configure(max_publishes=5)
    sender = app.connect_to("global")
    for number in range(30):
        sender.publish("global", number, persist=False, ref=str(number))
    sender.send("pusher:ping", {})
    refused = sender.until("pusher:pong")
    assert 1 <= len(refused) <= 25
    assert {frame["data"]["code"] for frame in refused} == {4301}
    assert min(int(frame["data"]["ref"]) for frame in refused) >= 5


def test_what_one_socket_sends_arrives_in_order_persisted_or_not(app: App) -> None:
    sender, reader = app.connect_to("global"), app.connect_to("global")
    for number in range(300):
        sender.publish("global", number, persist=number % 3 == 0)
    frames = [reader.expect("message", "global") for _ in range(300)]
    assert [int(frame["data"]) for frame in frames] == list(range(300))
    assert [frame["serial"] for frame in frames if "serial" in frame] == list(range(1, 101))


def test_serials_have_no_gap_under_concurrent_publishers(app: App, run_together: Callable[..., list[Any]]) -> None:
    reader = app.connect_to("global")
    senders = [app.connect_to("global") for _ in range(4)]

    def flood(name: int, sender: Any) -> None:
        for number in range(50):
            sender.publish("global", [name, number])

    def post(name: int) -> None:
        for number in range(50):
            app.publish("global", [name, number])

    posts = [lambda n=n: post(n) for n in range(4, 6)]
    run_together([*[lambda n=n, s=s: flood(n, s) for n, s in enumerate(senders)], *posts])
    frames = [reader.expect("message", "global") for _ in range(300)]
    assert [frame["serial"] for frame in frames] == list(range(1, 301))
    for name in range(6):
        mine = [json.loads(frame["data"]) for frame in frames]
        assert [number for who, number in mine if who == name] == list(range(50))
    # All agree on the order.
    stored = reader.latest("global", count=100)
    assert [event["mid"] for event in stored] == [frame["mid"] for frame in reversed(frames)][:100]


def test_a_publish_to_several_channels_reaches_a_socket_once(app: App) -> None:
    both, one = app.connect_to("a", "b"), app.connect_to("b")
    app.publish(["a", "b"], "x")
    seen = both.expect("message")
    assert seen["channel"] in ("a", "b")
    both.quiet()
    other = one.expect("message", "b")
    assert seen["publish"] == other["publish"]
    # Each channel has its own copy.
    (in_a,), (in_b,) = app.history("a"), app.history("b")
    assert in_a["publish"] == in_b["publish"] == seen["publish"]
    assert in_a["mid"] != in_b["mid"]
    assert in_a["serial"] == in_b["serial"] == 1
    # The next publish is another one.
    app.publish(["a", "b"], "y")
    assert both.expect("message")["publish"] != seen["publish"]
    both.quiet()


def test_a_channel_named_twice_in_one_publish_gets_it_once(app: App) -> None:
    reader = app.connect_to("a")
    app.publish(["a", "a"], "x")
    reader.expect("message")
    reader.quiet()
    assert len(app.history("a")) == 1


def test_a_channel_with_since_always_gets_its_own_copy(app: App) -> None:
    reader = app.connect()
    reader.subscribe("a")
    reader.subscribe("b", since="now")
    app.publish(["a", "b"], "x")
    frames = [reader.frame() for _ in range(2)]
    assert sorted(frame["channel"] for frame in frames) == ["a", "b"]
    assert len({frame["publish"] for frame in frames}) == 1
    reader.quiet()


def test_other_members_of_a_rest_body_travel_as_they_are(app: App) -> None:
    reader = app.connect_to("global")
    app.publish("global", "x", persist=False, colour={"r": 1}, note=None)
    assert reader.frame() == {
        "event": "message",
        "channel": "global",
        "data": "x",
        "colour": {"r": 1},
        "note": None,
    }


def test_members_that_only_the_server_may_say_do_not(app: App) -> None:
    reader = app.connect_to("global")
    forged = dict.fromkeys(("mid", "serial", "timestamp", "publish", "user_id", "owner_id", "instance", "id"), "forged")
    app.publish("global", "x", persist=False, **forged)
    assert reader.frame() == {"event": "message", "channel": "global", "data": "x"}
    app.publish("global", "x", **forged)
    assert "forged" not in json.dumps(reader.frame())
    assert "forged" not in json.dumps(app.history("global"))


def test_events_of_any_name_are_bound_to_their_channel_alone(app: App) -> None:
    a, b = app.connect_to("a"), app.connect_to("b")
    app.publish("a", "x", event="Größe ändern")
    app.publish("b", "y", event="pusher")
    assert a.expect("Größe ändern", "a")["data"] == "x"
    assert b.expect("pusher", "b")["data"] == "y"
    a.quiet()
