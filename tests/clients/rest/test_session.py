"""Logging in, the permissions of a session token, and its end."""

from collections.abc import Callable

import httpx
import pytest

from fixtures.app import App
from fixtures.problem import problem
from fixtures.server import Server
from fixtures.waiting import wait_until


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_logging_in_answers_a_token_and_sets_the_cookie(app: App, method: str) -> None:
    answer = httpx.request(method, f"{app.server.url}/login", params=app.credentials)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"token"}
    token = answer.json()["token"]
    assert isinstance(token, str) and len(token) >= 32
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"sid={token}")
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict"} <= parts
    # Secure would keep a browser from sending it back over plain HTTP.
    assert "secure" not in parts
    assert answer.headers["cache-control"] == "no-store"


def test_each_login_has_its_own_token(app: App) -> None:
    assert app.login() != app.login()


def test_wrong_credentials_are_refused_and_not_repeated(app: App) -> None:
    right = app.credentials
    wrong = [
        {**right, "app_secret": "wrong-secret-value"},
        {**right, "app_secret": right["app_secret"].upper()},
        {**right, "app_secret": ""},
        {**right, "app_key": "wrong-key"},
        {**right, "app_id": "wrong-id"},
    ]
    for credentials in wrong:
        answer = app.server.http.get("/login", params=credentials)
        problem(answer, 401, 403)
        assert "set-cookie" not in answer.headers
        assert "wrong-secret-value" not in answer.text
        assert app.secret not in answer.text


@pytest.mark.parametrize("missing", ["app_id", "app_key", "app_secret"])
def test_missing_credentials_are_a_bad_request(app: App, missing: str) -> None:
    rest = {name: value for name, value in app.credentials.items() if name != missing}
    problem(app.server.http.get("/login", params=rest), 400)


def by_query(token: str) -> dict[str, dict[str, str]]:
    """The token as the query parameter."""
    return {"params": {"sid": token}}


def by_cookie(token: str) -> dict[str, dict[str, str]]:
    """The token as the cookie."""
    return {"headers": {"Cookie": f"other=1; sid={token}"}}


def by_bearer(token: str) -> dict[str, dict[str, str]]:
    """The token as the bearer."""
    return {"headers": {"Authorization": f"Bearer {token}"}}


WAYS = [by_query, by_cookie, by_bearer]


@pytest.mark.parametrize("way", WAYS)
def test_a_token_is_taken_in_three_ways_and_refused_after_logout(
    app: App, way: Callable[..., dict[str, object]]
) -> None:
    token, other = app.login(), app.login()
    http = app.server.http
    assert http.get("/subscriptions", **way(token)).status_code == 200
    # A GET that changes something does not take the cookie alone.
    problem(http.get("/logout", **by_cookie(token)), 403)
    if way is by_cookie:
        kept = by_cookie(token)["headers"] | {"Sec-Fetch-Site": "same-origin"}
        answer = http.post("/logout", headers=kept)
    else:
        answer = http.get("/logout", **way(token))
    assert answer.status_code == 200 and answer.json() == {"result": "success"}
    for any_way in WAYS:
        problem(http.get("/subscriptions", **any_way(token)), 401)
    # Another session of the same app stays valid.
    assert http.get("/subscriptions", **way(other)).status_code == 200


def test_logging_out_with_post(app: App) -> None:
    token = app.login()
    assert app.server.http.post("/logout", **by_bearer(token)).json() == {"result": "success"}
    problem(app.server.http.get("/subscriptions", **by_bearer(token)), 401)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/logout"),
        ("GET", "/apps"),
        ("GET", "/apps/{ident}"),
        ("PUT", "/apps/{ident}"),
        ("DELETE", "/apps/{ident}"),
        ("POST", "/apps/{ident}/rotate"),
        ("GET", "/apps/ping"),
        ("POST", "/events"),
        ("GET", "/events"),
        ("GET", "/sockets"),
        ("GET", "/sockets/1.1"),
        ("POST", "/subscriptions"),
        ("GET", "/subscriptions"),
        ("DELETE", "/subscriptions/u1/news"),
        ("GET", "/apps/{ident}/subscribe?user_id=u1&event=news"),
        ("POST", "/apps/{ident}/subscribe?user_id=u1&event=news"),
        ("GET", "/apps/{ident}/unsubscribe?user_id=u1&event=news"),
        ("POST", "/apps/{ident}/unsubscribe?user_id=u1&event=news"),
    ],
)
def test_without_a_token_or_with_a_wrong_one_nothing_is_open(app: App, method: str, path: str) -> None:
    body = {"json": {"data": "x", "user_id": "u1", "event": "news"}} if method in ("POST", "PUT") else {}
    url = path.format(ident=app.ident)
    problem(app.server.http.request(method, url, **body), 401)
    wrong = app.server.http.request(method, url, headers={"Authorization": "Bearer made-up"}, **body)
    problem(wrong, 401, 403)
    assert "made-up" not in wrong.text


def test_a_token_expires(launch: Callable[..., Server]) -> None:
    app = launch(PUSHI_SESSION_TTL=1).create_app()
    token = app.login()
    http = app.server.http
    wait_until(lambda: http.get("/subscriptions", **by_bearer(token)).status_code == 401, "the token has expired", 10)
    app.close()


def test_sessions_survive_a_restart_and_ended_ones_stay_ended(launch: Callable[..., Server]) -> None:
    first = launch("same")
    app = first.create_app()
    good, ended = app.login(), app.login()
    assert first.http.get("/logout", **by_bearer(ended)).status_code == 200
    app.close()
    first.kill()
    again = launch("same")
    assert again.http.get("/subscriptions", **by_bearer(good)).status_code == 200
    problem(again.http.get("/subscriptions", **by_bearer(ended)), 401)


def test_a_token_opens_its_own_app_alone(app: App) -> None:
    other = app.server.create_app("other")
    app.publish("global", "x")
    app.follow("u1", "news")
    assert other.history("global") == []
    assert other.rest.get("/subscriptions").json() == {"subscriptions": []}
    assert other.live() == {}
    other.close()


def test_the_database_holds_no_token(launch: Callable[..., Server]) -> None:
    server = launch()
    app = server.create_app()
    token = app.login()
    app.close()
    server.stop()
    for path in server.folder.iterdir():
        assert token.encode() not in path.read_bytes(), path.name
