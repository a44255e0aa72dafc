"""GET /sockets and GET /sockets/<socket_id>."""

from fixtures.app import App
from fixtures.problem import problem
from fixtures.waiting import wait_until


def test_a_live_connection_and_its_channels(app: App) -> None:
    socket = app.connect_to("a", "private-b")
    answer = app.rest.get(f"/sockets/{socket.id}")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"socket_id", "channels"}
    assert body["socket_id"] == socket.id
    assert sorted(body["channels"]) == ["a", "private-b"]


def test_what_is_not_there(app: App) -> None:
    problem(app.rest.get("/sockets/1.1"), 404)
    problem(app.rest.get("/sockets/nonsense"), 404, 400)
    assert app.rest.get("/sockets").json() == {"sockets": []}


def test_another_apps_socket_is_not_there(app: App) -> None:
    other = app.server.create_app("other")
    stranger = other.connect()
    problem(app.rest.get(f"/sockets/{stranger.id}"), 404)
    other.close()


def test_a_connection_that_has_ended_is_gone(app: App) -> None:
    left, broken = app.connect(), app.connect()
    assert set(app.live()) == {left.id, broken.id}
    left.leave()
    broken.abort()
    wait_until(lambda: app.live() == {}, "both are gone")
    problem(app.rest.get(f"/sockets/{left.id}"), 404)
