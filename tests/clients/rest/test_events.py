"""POST and GET /events."""

from collections.abc import Callable
from typing import Any

import pytest

from fixtures.app import App
from fixtures.problem import problem


def test_what_is_left_out_has_its_default(app: App) -> None:
    reader = app.connect_to("global")
    answer = app.rest.post("/events", json={"data": "x"})
    assert answer.status_code == 200 and answer.json() == {"result": "success"}
    frame = reader.expect("message", "global")
    assert frame["data"] == "x" and frame["serial"] == 1


def test_a_list_of_channels(app: App) -> None:
    readers = {name: app.connect_to(name) for name in ("a", "b", "private-c")}
    app.publish(list(readers), "x")
    for name, reader in readers.items():
        assert reader.expect("message", name)["data"] == "x"


@pytest.mark.parametrize(
    "body",
    [
        {"data": "x", "channel": ""},
        {"data": "x", "channel": "c" * 201},
        {"data": "x", "channel": "a\nb"},
        {"data": "x", "channel": 7},
        {"data": "x", "channel": ["a", 7]},
        {"data": "x", "channel": ["a", ""]},
        {"data": "x", "channel": "peer-room:b&a"},
        {"data": "x", "event": ""},
        {"data": "x", "event": "e" * 201},
        {"data": "x", "event": 7},
        {"data": "x", "event": "pusher:ping"},
        {"data": "x", "event": "pusher_internal:x"},
        {"data": "x", "persist": "yes"},
        [],
        "x",
        7,
    ],
)
def test_a_publish_that_cannot_be(app: App, body: Any) -> None:
    reader = app.connect_to("global", "a")
    problem(app.rest.post("/events", json=body), 400, 422)
    reader.quiet()
    assert app.rest.get("/events").json() == {"events": []}


@pytest.mark.parametrize("body", ["", "{", '{"data":"x"', "\x00", '{"data":"\\ud800"}'])
def test_a_body_that_is_not_json(app: App, body: str) -> None:
    problem(app.rest.post("/events", content=body, headers={"Content-Type": "application/json"}), 400)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_a_body_of_another_type(app: App, kind: str) -> None:
    problem(app.rest.post("/events", content='{"data":"x"}', headers={"Content-Type": kind}), 415)


def test_a_body_over_the_limit(app: App) -> None:
    problem(app.rest.post("/events", json={"data": "x" * 262_144}), 413)
    app.publish("global", "x" * 260_000)


def test_the_newest_of_the_app_over_all_channels(app: App) -> None:
    for number in range(12):
        app.publish(f"c{number % 3}", str(number))
    app.publish("c0", "not kept", persist=False)
    listed = app.rest.get("/events").json()["events"]
    assert [event["data"]["data"] for event in listed] == [str(number) for number in range(11, 1, -1)]
    assert set(listed[0]) >= {"id", "instance", "mid", "channel", "owner_id", "timestamp", "date", "data", "serial"}
    ids = [event["id"] for event in listed]
    assert ids == sorted(ids, reverse=True)
    assert len(app.rest.get("/events", params={"count": 3}).json()["events"]) == 3
    assert app.rest.get("/events", params={"count": 0}).json()["events"] == []


def test_of_one_channel_and_since_a_serial(app: App) -> None:
    for number in range(1, 6):
        app.publish("a", str(number))
        app.publish("b", "other")
    assert [event["serial"] for event in app.history("a")] == [5, 4, 3, 2, 1]
    assert [event["serial"] for event in app.history("a", since=2)] == [3, 4, 5]
    assert [event["serial"] for event in app.history("a", since=2, count=2)] == [3, 4]
    assert app.history("a", since=5) == []
    assert app.history("nothing-there") == []
    app.publish("global", "1")
    unnamed = app.rest.get("/events", params={"since": 0}).json()["events"]
    assert [event["channel"] for event in unnamed] == ["global"]


def test_a_count_over_the_limit_is_cut(app: App) -> None:
    for number in range(105):
        app.publish("a", number)
    assert len(app.rest.get("/events", params={"count": 100_000}).json()["events"]) == 100


@pytest.mark.parametrize(
    "query",
    [{"count": -1}, {"count": "many"}, {"count": 1.5}, {"channel": "a", "since": -1}, {"channel": "a", "since": "x"}],
)
def test_a_query_that_cannot_be(app: App, query: dict[str, Any]) -> None:
    problem(app.rest.get("/events", params=query), 400)


def test_the_same_idempotency_key_stores_once(app: App) -> None:
    reader = app.connect_to("global")
    headers = {"Idempotency-Key": "order-17"}
    answers = [app.rest.post("/events", json={"data": "x"}, headers=headers) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.text for answer in answers} == {answers[0].text}
    reader.expect("message")
    reader.quiet()
    assert len(app.history("global")) == 1
    app.rest.post("/events", json={"data": "y"}, headers={"Idempotency-Key": "order-18"})
    assert len(app.history("global")) == 2


def test_an_idempotency_key_belongs_to_one_app(app: App) -> None:
    other = app.server.create_app("other")
    for one in (app, other):
        assert one.rest.post("/events", json={"data": "x"}, headers={"Idempotency-Key": "k"}).status_code == 200
    assert len(app.history("global")) == len(other.history("global")) == 1
    other.close()


def test_the_same_key_many_times_at_once_stores_once(app: App, run_together: Callable[..., list[Any]]) -> None:
    def publish() -> tuple[int, str]:
        answer = app.rest.post("/events", json={"data": "x"}, headers={"Idempotency-Key": "race"})
        return answer.status_code, answer.text

    answers = run_together([publish] * 12)
    assert {status for status, _ in answers} == {200}, answers
    assert len(app.history("global")) == 1


def test_a_refused_publish_does_not_use_up_its_key(app: App) -> None:
    headers = {"Idempotency-Key": "again"}
    problem(app.rest.post("/events", json={"data": "x", "event": "pusher:x"}, headers=headers), 400)
    assert app.rest.post("/events", json={"data": "x"}, headers=headers).status_code == 200
    assert len(app.history("global")) == 1
