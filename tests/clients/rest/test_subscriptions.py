"""Persistent subscriptions, by their own routes and by the two seed routes."""

from typing import Any

import pytest

from fixtures.app import App
from fixtures.problem import problem

MEMBERS = {"id", "user_id", "event", "instance", "created", "modified"}


def listed(app: App, **query: str) -> set[tuple[str, str]]:
    """Users and their subscriptions."""
    answer = app.rest.get("/subscriptions", params=query)
    assert answer.status_code == 200, answer.text
    return {(entry["user_id"], entry["event"]) for entry in answer.json()["subscriptions"]}


def test_subscribing_answers_the_subscription_and_the_same_again(app: App) -> None:
    first = app.follow("u1", "news")
    assert set(first) >= MEMBERS
    assert (first["user_id"], first["event"], first["instance"]) == ("u1", "news", app.ident)
    assert app.follow("u1", "news")["id"] == first["id"]
    assert app.follow("u2", "news")["id"] != first["id"]
    assert listed(app) == {("u1", "news"), ("u2", "news")}


def test_listing_by_user_and_by_channel(app: App) -> None:
    for user, channel in (("u1", "a"), ("u1", "b"), ("u2", "a")):
        app.follow(user, channel)
    assert listed(app, user_id="u1") == {("u1", "a"), ("u1", "b")}
    assert listed(app, event="a") == {("u1", "a"), ("u2", "a")}
    assert listed(app, user_id="u2", event="a") == {("u2", "a")}
    assert listed(app, user_id="u3") == set()


def test_ending_one(app: App) -> None:
    made = app.follow("u1", "news")
    ended = app.rest.delete("/subscriptions/u1/news")
    assert ended.status_code == 200 and ended.json()["id"] == made["id"]
    assert listed(app) == set()
    again = app.rest.delete("/subscriptions/u1/news")
    assert again.status_code == 200 and again.json() == {"result": "success"}
    problem(app.rest.delete("/subscriptions/u1/news", params={"force": 1}), 404)
    assert app.follow("u1", "news")["id"] != made["id"]
    assert app.rest.delete("/subscriptions/u1/news", params={"force": 1}).status_code == 200


def test_names_with_special_characters_in_the_path(app: App) -> None:
    app.follow("user one", "a/b ☃")
    answer = app.rest.delete("/subscriptions/user%20one/a%2Fb%20%E2%98%83", params={"force": 1})
    assert answer.status_code == 200, answer.text
    assert answer.json()["event"] == "a/b ☃"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_id": "u1"},
        {"event": "news"},
        {"user_id": "", "event": "news"},
        {"user_id": "u1", "event": ""},
        {"user_id": "u1", "event": "a\nb"},
        {"user_id": "u" * 129, "event": "news"},
        {"user_id": {}, "event": "news"},
        {"user_id": "u1", "event": ["news"]},
        [],
    ],
)
def test_one_that_cannot_be(app: App, body: Any) -> None:
    problem(app.rest.post("/subscriptions", json=body), 400, 422)
    assert listed(app) == set()


SEED_WAYS: list[tuple[str, dict[str, Any]]] = [
    ("GET", {"params": {"user_id": "u1", "event": "news"}}),
    ("POST", {"params": {"user_id": "u1", "event": "news"}}),
    ("POST", {"json": {"user_id": "u1", "event": "news"}}),
]


@pytest.mark.parametrize(("method", "how"), SEED_WAYS)
def test_the_seed_routes_do_the_same(app: App, method: str, how: dict[str, Any]) -> None:
    made = app.rest.request(method, f"/apps/{app.ident}/subscribe", **how)
    assert made.status_code == 200, made.text
    assert set(made.json()) >= MEMBERS
    assert app.follow("u1", "news")["id"] == made.json()["id"]
    ended = app.rest.request(method, f"/apps/{app.ident}/unsubscribe", **how)
    assert ended.status_code == 200, ended.text
    assert ended.json()["id"] == made.json()["id"]
    assert listed(app) == set()
    again = app.rest.request(method, f"/apps/{app.ident}/unsubscribe", **how)
    assert again.status_code == 200 and again.json() == {"result": "success"}


@pytest.mark.parametrize("route", ["subscribe", "unsubscribe"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_seed_routes_without_their_parameters(app: App, method: str, route: str) -> None:
    for query in ({}, {"user_id": "u1"}, {"event": "news"}):
        problem(app.rest.request(method, f"/apps/{app.ident}/{route}", params=query), 400, 422)


def test_the_seed_routes_are_of_the_sessions_own_app(app: App) -> None:
    problem(app.rest.get("/apps/elsewhere/subscribe", params={"user_id": "u1", "event": "news"}), 404)
    assert listed(app) == set()


def test_they_survive_a_restart(app: App, launch: Any) -> None:
    first = launch("same")
    own = first.create_app()
    made = own.follow("u1", "news")
    own.close()
    first.stop()
    again = launch("same").adopt(own)
    assert again.follow("u1", "news")["id"] == made["id"]
    assert again.connect().subscribe("personal-u1")["alias"] == ["news"]
    again.close()
