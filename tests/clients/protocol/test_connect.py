"""Connecting: the greeting, rejections, and the services of both listeners."""

import json
import re
from collections.abc import Callable

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from fixtures.app import App
from fixtures.server import Server
from fixtures.waiting import wait_until


def refused(app: App, code: int, close: int | None = None, **options: object) -> None:
    """The next connection gets an error frame with `code`, and is closed with it (or `close`)."""
    socket = app.open(**options)
    socket.error(code)
    assert socket.closed() == ([], code if close is None else close)


def test_the_greeting_is_the_first_frame_and_names_the_socket(app: App) -> None:
    greeting = app.connect().greeting
    assert set(greeting) == {"event", "data"}
    assert greeting["event"] == "pusher:connection_established"
    data = json.loads(greeting["data"])
    assert set(data) == {"socket_id"}
    assert re.fullmatch(r"\d+\.\d+", data["socket_id"])


def test_socket_ids_are_a_number_of_the_process_and_a_counter(app: App) -> None:
    ids = [app.connect().id for _ in range(5)]
    assert len(set(ids)) == 5
    assert len({one.split(".")[0] for one in ids}) == 1
    assert int(ids[0].split(".")[0]) < 2**53


def test_another_process_has_another_number(app: App, launch: Callable[..., Server]) -> None:
    other = launch().create_app()
    try:
        assert other.connect().id.split(".")[0] != app.connect().id.split(".")[0]
    finally:
        other.close()


def test_an_unknown_key_is_told_so_and_closed_with_4001(app: App) -> None:
    socket = app.open_at(f"{app.server.ws_url}/no-such-key")
    data = socket.error(4001, channel="")
    assert app.secret not in json.dumps(data)
    assert socket.closed() == ([], 4001)


def test_a_path_without_a_key_is_an_http_404(app: App) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        app.open_at(f"{app.server.ws_url}/")
    assert refusal.value.response.status_code == 404


def test_a_path_before_the_key_and_a_query_are_ignored(app: App) -> None:
    for path in (f"some/where/{app.key}", f"{app.key}?client=x&v=1"):
        socket = app.open_at(f"{app.server.ws_url}/{path}")
        socket.greet()
        socket.subscribe("global")


def test_both_listeners_answer_websocket_and_rest(app: App) -> None:
    server = app.server
    socket = app.open_at(f"ws://127.0.0.1:{server.app_port}/{app.key}")
    socket.greet()
    socket.subscribe("global")
    headers = {"Authorization": f"Bearer {app.token}"}
    answer = httpx.post(
        f"http://127.0.0.1:{server.server_port}/events", json={"data": "x"}, headers=headers, trust_env=False
    )
    assert answer.json() == {"result": "success"}
    assert socket.expect("message", "global")["data"] == "x"


def test_the_same_address_twice_is_one_listener(launch: Callable[..., Server]) -> None:
    server = launch(ready=False)
    server.settings["SERVER_PORT"] = server.settings["APP_PORT"]
    app = server.start().create_app()
    socket = app.open_at(f"ws://127.0.0.1:{server.app_port}/{app.key}")
    socket.greet()
    app.close()


def test_a_disabled_app_is_closed_with_4003_until_it_is_enabled(app: App) -> None:
    app.configure(enabled=False)
    refused(app, 4003)
    app.configure(enabled=True)
    app.connect()


@pytest.mark.parametrize(("setting", "code"), [(None, 4004), (4100, 4100)])
def test_an_app_over_its_limit_of_connections(app: App, setting: int | None, code: int) -> None:
    app.configure(max_connections=2, over_capacity=setting)
    first = app.connect()
    app.connect()
    refused(app, code)
    first.leave()
    # The slot is free once the server has processed the close, which the socket list shows.
    wait_until(lambda: first.id not in app.live(), "the first connection is gone")
    app.connect()


def test_a_node_over_its_limit_of_connections_closes_with_4100(launch: Callable[..., Server]) -> None:
    app = launch(PUSHI_MAX_CONNECTIONS=1).create_app()
    app.connect()
    refused(app, 4100)
    app.close()


def test_new_connections_over_the_rate_are_closed_with_4100(launch: Callable[..., Server]) -> None:
    app = launch(PUSHI_MAX_CONNECTS_PER_SECOND=1).create_app()
    codes = set()
    for _ in range(5):
        frame = app.open().frame()
        codes.add(frame["data"]["code"] if frame["event"] == "pusher:error" else 0)
    assert codes == {0, 4100}
    app.close()


def turned_away(app: App, origin: str) -> None:
    """A page of this origin is rejected before the upgrade, in both dialects."""
    for path in (app.key, f"app/{app.key}?protocol=7"):
        for port in (app.server.server_port, app.server.app_port):
            with pytest.raises(InvalidStatus) as refusal:
                app.open_at(f"ws://127.0.0.1:{port}/{path}", origin=origin)
            response = refusal.value.response
            assert response.status_code == 403
            assert "origin" in json.loads(response.body)["message"]


def test_an_apps_list_of_origins(app: App) -> None:
    app.configure(allowed_origins=["https://shop.example"])
    turned_away(app, "https://evil.example")
    app.connect(origin="https://shop.example")
    # Clients other than browsers send no origin.
    app.connect()
    # Other reasons for a rejection are reported as to other clients.
    app.configure(enabled=False)
    refused(app, 4003, origin="https://evil.example")


def test_the_servers_own_list_of_origins(launch: Callable[..., Server]) -> None:
    app = launch(PUSHI_ALLOWED_ORIGINS="https://shop.example,https://blog.example").create_app()
    turned_away(app, "https://evil.example")
    app.connect(origin="https://blog.example")
    app.connect()
    app.close()


def test_an_app_for_tls_only_closes_plain_connections_with_4000(app: App) -> None:
    app.configure(tls_only=True)
    refused(app, 4000)
