"""Streams over plain HTTP, with httpx-sse and curl."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent, connect_sse

from fixtures.app import App


@contextmanager
def events(app: App, query: str, **headers: str) -> Iterator[Iterator[ServerSentEvent]]:
    """The events of a stream, which has begun."""
    url = f"{app.server.url}/stream/{app.key}?{query}"
    with httpx.Client(timeout=10) as client, connect_sse(client, "GET", url, headers=headers) as source:
        assert isinstance(source, EventSource) and source.response.status_code == 200
        yield source.iter_sse()


def data(event: ServerSentEvent) -> Any:
    return json.loads(event.data)


def test_httpx_sse_continues_from_any_event(app: App) -> None:
    with events(app, "channel=a&channel=b") as live:
        for channel, text in (("a", "1"), ("b", "2"), ("a", "3")):
            app.publish(channel, text)
        heard = [next(live) for _ in range(3)]
    assert [data(event)["data"] for event in heard] == ["1", "2", "3"]
    assert all(event.event == "message" and event.retry != 0 for event in heard)
    app.publish("b", "4")
    for index, event in enumerate(heard):
        with events(app, "channel=a&channel=b", **{"Last-Event-ID": event.id}) as again:
            missed = {data(next(again))["data"] for _ in range(3 - index)}
            assert missed == set("1234"[index + 1 :])


def test_curl_prints_events_as_they_come(app: App) -> None:
    url = f"{app.server.url}/stream/{app.key}?channel=a"
    with subprocess.Popen(["curl", "-sN", url], stdout=subprocess.PIPE, text=True) as curl:
        lines = iter(curl.stdout or [])
        assert next(lines).startswith("retry: ")
        app.publish("a", "x")
        assert next(lines).startswith("id: ")
        assert json.loads(next(lines).removeprefix("data: "))["data"] == "x"
        curl.kill()


def test_polls_lose_nothing(app: App) -> None:
    url = f"{app.server.url}/stream/{app.key}"
    query = {"channel": ["a", "b"], "wait": 0}
    since = httpx.get(url, params=query).json()["id"]
    for number in range(5):
        app.publish("ab"[number % 2], str(number))
    answer = httpx.get(url, params={**query, "wait": 10, "since": since}).json()
    assert sorted(event["data"] for event in answer["events"]) == ["0", "1", "2", "3", "4"]
    answer = httpx.get(url, params={**query, "since": answer["id"]}).json()
    assert answer["events"] == [] and answer["gap"] == []


def test_a_stream_counts_as_a_connection(app: App) -> None:
    with events(app, "channel=a"):
        assert list(app.live().values()) == [["a"]]
