"""`pusher:latest`: the persisted events of a channel, newest first."""

import datetime
import json

import pytest

from fixtures.app import App


def test_an_entry_has_its_full_form(app: App) -> None:
    sender = app.connect_to("global")
    done = sender.publish_acknowledged("global", {"x": 1})
    app.publish("global", "from the back end", event="note")
    sender.expect("note")
    newest, oldest = sender.latest("global")
    assert oldest["mid"] == done["mid"]
    assert oldest["serial"] == 1
    assert oldest["channel"] == "global"
    assert oldest["instance"] == app.ident
    assert oldest["owner_id"] == sender.id
    assert oldest["timestamp"] == done["timestamp"]
    assert oldest["data"] == {"channel": "global", "event": "message", "data": '{"x":1}'}
    moment = datetime.datetime.fromtimestamp(oldest["timestamp"], datetime.UTC)
    assert oldest["date"] == moment.strftime("%B %d, %Y %H:%M:%S UTC")
    assert newest["owner_id"] is None
    assert newest["data"] == {"channel": "global", "event": "note", "data": "from the back end"}
    assert newest["id"] > oldest["id"]


def test_skip_and_count_page_through_it_newest_first(app: App) -> None:
    for number in range(15):
        app.publish("global", number)
    reader = app.connect_to("global")

    def numbers(**page: int) -> list[int]:
        return [int(event["data"]["data"]) for event in reader.latest("global", **page)]

    assert numbers() == list(range(14, 4, -1))
    assert numbers(count=3) == [14, 13, 12]
    assert numbers(skip=12) == [2, 1, 0]
    assert numbers(skip=2, count=2) == [12, 11]
    assert numbers(skip=15) == []
    assert numbers(skip=10**15) == []
    assert numbers(count=0) == []


def test_a_count_over_the_limit_is_cut_to_it(app: App) -> None:
    for number in range(105):
        app.publish("global", number)
    reader = app.connect_to("global")
    assert len(reader.latest("global", count=1000)) == 100


@pytest.mark.parametrize("page", [{"count": -1}, {"count": "many"}, {"skip": -1}, {"skip": 1.5}, {"count": []}])
def test_a_page_that_is_none(app: App, page: dict[str, object]) -> None:
    reader = app.connect_to("global")
    reader.send("pusher:latest", {"channel": "global", **page})
    reader.error(4314, "pusher:latest")


def test_it_needs_the_socket_to_be_on_the_channel(app: App) -> None:
    app.publish("private-x", "secret")
    stranger = app.connect()
    stranger.send("pusher:latest", {"channel": "private-x"})
    error = stranger.error(4317, "pusher:latest", "private-x")
    assert "secret" not in json.dumps(error)


def test_a_request_without_a_channel(app: App) -> None:
    reader = app.connect()
    for data in ({}, {"channel": 7}, "not json", [1]):
        reader.send("pusher:latest", data)
        reader.error(4314, "pusher:latest")


def test_apps_keep_their_histories_apart(app: App) -> None:
    other = app.server.create_app("other")
    app.publish("global", "mine")
    assert other.connect_to("global").latest("global") == []
    other.publish("global", "theirs")
    assert app.history("global")[0]["serial"] == other.history("global")[0]["serial"] == 1
    other.close()


def test_each_channel_counts_by_itself(app: App) -> None:
    for channel in ("a", "b", "a"):
        app.publish(channel, channel)
    assert [event["serial"] for event in app.history("a")] == [2, 1]
    assert [event["serial"] for event in app.history("b")] == [1]
