"""Creating, reading, changing, deleting and rotating apps, and the required permissions."""

from collections.abc import Callable

import httpx
import pytest

from fixtures.app import App
from fixtures.problem import problem
from fixtures.server import Server

MEMBERS = {
    "id",
    "name",
    "ident",
    "key",
    "secret",
    "instance",
    "created",
    "modified",
    "apn_sandbox",
    "apn_key",
    "apn_cer",
    "apn_key_id",
    "apn_team_id",
    "apn_topic",
    "vapid_key",
    "vapid_email",
    "smtp_url",
}


def test_an_app_has_its_full_form(server: Server) -> None:
    answer = server.admin.post("/apps", json={"name": "shop"})
    assert answer.status_code == 200, answer.text
    app = answer.json()
    assert set(app) >= MEMBERS
    assert app["name"] == "shop"
    assert app["instance"] == app["ident"]
    assert isinstance(app["id"], int)
    assert app["created"] > 1_700_000_000 and app["modified"] >= app["created"]
    assert len({app["ident"], app["key"], app["secret"]}) == 3
    assert len(app["secret"]) >= 32
    assert answer.headers["cache-control"] == "no-store"


def test_the_administrator_may_choose_ident_key_and_secret(server: Server) -> None:
    chosen = {"ident": "1234567", "key": "my-key_1", "secret": "my-secret_1"}
    app = server.create_app("chosen", **chosen)
    assert {name: app.created[name] for name in chosen} == chosen
    assert app.connect().subscribe("private-x")
    for name in ("ident", "key"):
        problem(server.admin.post("/apps", json={"name": "again", name: chosen[name]}), 409)
    app.close()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": 7},
        {"name": None},
        {"name": "x", "ident": "with space"},
        {"name": "x", "ident": ""},
        {"name": "x", "ident": "i" * 65},
        {"name": "x", "key": "a b"},
        {"name": "x", "secret": "ü"},
        [],
        "x",
    ],
)
def test_an_app_that_cannot_be(server: Server, body: object) -> None:
    problem(server.admin.post("/apps", json=body), 400, 422)


def test_creating_one_needs_the_administrator(app: App) -> None:
    body = {"name": "x"}
    problem(app.server.http.post("/apps", json=body), 401, 403)
    problem(app.server.http.post("/apps", json=body, headers={"Authorization": "Bearer wrong"}), 401, 403)
    problem(app.rest.post("/apps", json=body), 401, 403)


def test_without_an_administrators_token_it_is_closed_and_says_how_to_open_it(launch: Callable[..., Server]) -> None:
    server = launch(
        PUSHI_ADMIN_TOKEN=None, PUSHI_APP_ID="shop", PUSHI_APP_KEY="shop-key", PUSHI_APP_SECRET="shop-secret"
    )
    for headers in ({}, {"Authorization": "Bearer guess"}):
        answer = server.http.post("/apps", json={"name": "x"}, headers=headers)
        assert "PUSHI_ADMIN_TOKEN" in problem(answer, 403)["message"]
    # The app of the configuration exists.
    app = App(server, {"ident": "shop", "key": "shop-key", "secret": "shop-secret"})
    problem(app.rest.delete("/apps/shop"), 403)
    app.publish("global", "x")
    app.close()


def test_open_registration_lets_anybody_create_one(launch: Callable[..., Server]) -> None:
    server = launch(PUSHI_OPEN_REGISTRATION=1)
    answer = server.http.post("/apps", json={"name": "anybody's"})
    assert answer.status_code == 200, answer.text
    app = App(server, answer.json())
    app.publish("global", "x")
    # But no other operation.
    problem(server.http.get("/apps"), 401, 403)
    problem(app.rest.delete(f"/apps/{app.ident}"), 403)
    app.close()


def test_a_session_reads_its_own_app_and_no_other(app: App) -> None:
    other = app.server.create_app("other")
    assert [entry["ident"] for entry in app.rest.get("/apps").json()["apps"]] == [app.ident]
    assert app.rest.get(f"/apps/{app.ident}").json()["key"] == app.key
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"name": "stolen"}),
        ("POST", "/rotate", None),
        ("POST", "/subscribe", {"user_id": "u", "event": "e"}),
    ):
        problem(app.rest.request(method, f"/apps/{other.ident}{path}", json=body), 404)
    problem(app.rest.delete(f"/apps/{other.ident}"), 403, 404)
    assert app.server.admin.get(f"/apps/{other.ident}").json()["name"] == "other"


def test_the_administrator_reads_every_app(app: App) -> None:
    listed = app.server.admin.get("/apps")
    assert listed.status_code == 200
    assert app.ident in {entry["ident"] for entry in listed.json()["apps"]}
    assert listed.headers["cache-control"] == "no-store"
    assert app.server.admin.get(f"/apps/{app.ident}").json()["ident"] == app.ident
    problem(app.server.admin.get("/apps/no-such-app"), 404)
    problem(app.server.admin.put("/apps/no-such-app", json={"name": "x"}), 404)
    problem(app.server.admin.post("/apps/no-such-app/rotate"), 404)


def test_deleting_one_ends_it(app: App) -> None:
    server = app.server
    gone = server.create_app("gone")
    token = gone.token
    problem(gone.rest.delete(f"/apps/{gone.ident}"), 403)
    assert server.admin.delete(f"/apps/{gone.ident}").status_code == 200
    problem(server.admin.get(f"/apps/{gone.ident}"), 404)
    problem(server.admin.delete(f"/apps/{gone.ident}"), 404)
    problem(server.http.get("/subscriptions", headers={"Authorization": f"Bearer {token}"}), 401, 403, 404)
    problem(server.http.get("/login", params=gone.credentials), 401, 403)
    gone.open().error(4001)
    gone.close()


def test_rotating_keeps_the_old_secret_until_it_is_dropped(app: App) -> None:
    old = dict(app.credentials)
    rotated = app.rest.post(f"/apps/{app.ident}/rotate")
    assert rotated.status_code == 200, rotated.text
    new = rotated.json()
    assert new["secret"] != old["app_secret"]
    assert new["previous_secret"] == old["app_secret"]
    assert rotated.headers["cache-control"] == "no-store"

    http = app.server.http
    fresh = App(app.server, new)
    assert http.get("/login", params=old).status_code == 200
    assert fresh.token
    app.connect().subscribe("private-x")
    fresh.connect().subscribe("private-x")

    answer = fresh.rest.put(f"/apps/{app.ident}", json={"reset": ["previous_secret"]})
    assert answer.status_code == 200, answer.text
    assert answer.json().get("previous_secret") is None
    problem(http.get("/login", params=old), 401, 403)
    stale = app.connect()
    stale.ask("private-x")
    stale.error(4009)
    fresh.connect().subscribe("private-x")
    fresh.close()


def test_a_ping_reaches_the_global_channel(app: App) -> None:
    reader = app.connect_to("global")
    answer = app.rest.get("/apps/ping")
    assert answer.status_code == 200 and answer.json() == {"result": "success"}
    assert reader.expect("ping", "global")


def test_a_disabled_app_is_refused_over_rest(app: App) -> None:
    token = app.token
    app.configure(enabled=False)
    problem(app.rest.post("/events", json={"data": "x"}), 403)
    problem(app.server.http.get("/login", params=app.credentials), 401, 403)
    app.configure(enabled=True)
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.post(f"{app.server.url}/events", json={"data": "x"}, headers=headers).status_code == 200
