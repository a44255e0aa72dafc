"""`since`: recovery without gaps and duplicates."""

from collections.abc import Callable
from typing import Any

import pytest

from fixtures.app import App
from fixtures.server import Server


def texts(answer: dict[str, Any]) -> list[str]:
    """The data of the events of a response, in order."""
    return [event["data"]["data"] for event in answer["events"]]


def fill(app: App, channel: str, count: int) -> None:
    """Publishes "1" to `count`, so that the data of an event is its serial."""
    for number in range(1, count + 1):
        app.publish(channel, str(number))


def test_a_channel_without_history(app: App) -> None:
    for since in (0, "now"):
        answer = app.connect().subscribe("global", since=since)
        assert answer["events"] == []
        assert answer["recovered"] is True
        assert answer["serial"] == 0


def test_everything_after_a_serial_oldest_first(app: App) -> None:
    fill(app, "global", 5)
    reader = app.connect()
    answer = reader.subscribe("global", since=2)
    assert texts(answer) == ["3", "4", "5"]
    assert [event["serial"] for event in answer["events"]] == [3, 4, 5]
    assert answer["recovered"] is True
    assert answer["serial"] == 5
    app.publish("global", "6")
    assert reader.expect("message")["serial"] == 6


def test_from_the_beginning_from_the_newest_and_from_now(app: App) -> None:
    fill(app, "global", 3)
    for since, expected in ((0, ["1", "2", "3"]), (3, []), ("now", [])):
        answer = app.connect().subscribe("global", since=since)
        assert texts(answer) == expected
        assert (answer["recovered"], answer["serial"]) == (True, 3)


def test_a_serial_above_the_newest_is_not_recovered(app: App) -> None:
    fill(app, "global", 12)
    answer = app.connect().subscribe("global", since=13)
    assert answer["recovered"] is False
    assert answer["serial"] == 12
    assert texts(answer) == [str(number) for number in range(3, 13)]


def test_more_than_the_replay_limit_is_not_recovered(launch: Callable[..., Server]) -> None:
    app = launch(PUSHI_MAX_REPLAY=20).create_app()
    fill(app, "global", 25)
    edge = app.connect().subscribe("global", since=5)
    assert edge["recovered"] is True and len(edge["events"]) == 20
    beyond = app.connect().subscribe("global", since=4)
    assert beyond["recovered"] is False
    assert texts(beyond) == [str(number) for number in range(16, 26)]
    assert beyond["serial"] == 25
    app.close()


def test_without_since_nothing_is_replayed(app: App) -> None:
    fill(app, "global", 3)
    answer = app.connect().subscribe("global")
    assert answer == {"name": "global", "members": {}, "alias": [], "events": []}


@pytest.mark.parametrize("since", [-1, 1.5, "3", "later", "", True, [1], {"global": 1}])
def test_any_other_value_is_an_error_and_does_not_subscribe(app: App, since: Any) -> None:
    socket = app.connect()
    socket.ask("global", since=since)
    socket.error(4314, "pusher:subscribe", "global")
    assert app.live()[socket.id] == []


def test_it_works_for_private_and_presence_channels(app: App) -> None:
    fill(app, "private-x", 2)
    assert texts(app.connect().subscribe("private-x", since=1)) == ["2"]
    fill(app, "presence-x", 2)
    answer = app.connect().subscribe("presence-x", since=1, channel_data={"user_id": "u1"})
    assert texts(answer) == ["2"]
    assert list(answer["members"]) == ["u1"]


def test_no_gap_and_no_duplicate_while_a_stream_runs(app: App, run_together: Callable[..., list[Any]]) -> None:
    count, readers = 150, 10
    sender = app.connect_to("global")

    def publish() -> None:
        for number in range(1, count + 1):
            sender.publish("global", str(number))

    def read() -> list[int]:
        socket = app.connect()
        answer = socket.subscribe("global", since=0)
        serials = [event["serial"] for event in answer["events"]]
        assert answer["recovered"] is True
        assert answer["serial"] == (serials[-1] if serials else 0)
        while not serials or serials[-1] < count:
            serials.append(socket.expect("message", "global")["serial"])
        socket.quiet()
        return serials

    for serials in run_together([publish, *[read] * readers])[1:]:
        assert serials == list(range(1, count + 1))


def test_subscribing_again_with_since_fills_what_was_missed(app: App) -> None:
    reader = app.connect_to("global")
    fill(app, "global", 3)
    assert [reader.expect("message")["serial"] for _ in range(3)] == [1, 2, 3]
    answer = reader.subscribe("global", since=1)
    assert texts(answer) == ["2", "3"]
    app.publish("global", "4")
    assert reader.expect("message")["serial"] == 4
    reader.quiet()


def test_it_survives_a_restart_of_the_server(launch: Callable[..., Server]) -> None:
    first = launch("same")
    app = first.create_app()
    fill(app, "global", 4)
    app.close()
    first.stop()
    again = launch("same").adopt(app)
    reader = again.connect()
    answer = reader.subscribe("global", since=2)
    assert texts(answer) == ["3", "4"]
    assert answer["recovered"] is True
    again.publish("global", "5")
    assert reader.expect("message")["serial"] == 5
    again.close()
