"""The program's own commands beside a running server."""

import json
import subprocess

from fixtures.app import App
from fixtures.problem import problem
from fixtures.server import BINARY
from fixtures.waiting import wait_until


def pushi(app: App, *arguments: str) -> str:
    """Runs a command with the server's configuration and the app's credentials; returns its output."""
    server = app.server
    chosen = {"PUSHI_APP_ID": app.ident, "PUSHI_APP_KEY": app.key, "PUSHI_APP_SECRET": app.secret}
    done = subprocess.run(
        [BINARY, *arguments],
        cwd=server.folder,
        env={**server.environment, **chosen},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_trigger_publishes_to_sockets(app: App) -> None:
    reader = app.connect_to("global")
    pushi(app, "trigger", "global", "from the shell")
    frame = reader.expect("message", "global")
    assert frame["data"] == "from the shell" and frame["serial"] == 1
    pushi(app, "trigger", "--event", "note", "--no-persist", "global", '{"x":1}')
    frame = reader.expect("note", "global")
    assert json.loads(frame["data"]) == {"x": 1}
    assert "serial" not in frame


def test_auth_signs_what_the_server_accepts(app: App) -> None:
    socket = app.connect()
    socket.subscribe("private-x", auth=pushi(app, "auth", socket.id, "private-x").strip())
    data = '{"user_id":"u1"}'
    answer = json.loads(pushi(app, "auth", "--json", socket.id, "presence-x", data))
    assert list(socket.subscribe("presence-x", auth=answer["auth"], channel_data=data)["members"]) == ["u1"]


def test_token_opens_the_rest_api_at_once(app: App) -> None:
    token = pushi(app, "token").strip()
    http = app.server.http
    headers = {"Authorization": f"Bearer {token}"}
    answer = http.get(f"/apps/{app.ident}", headers=headers)
    assert answer.status_code == 200 and answer.json()["key"] == app.key
    assert http.get("/logout", headers=headers).status_code == 200
    problem(http.get("/logout", headers=headers), 401)


def test_a_running_server_follows_what_app_changes(app: App) -> None:
    made = App(app.server, json.loads(pushi(app, "app", "create", "--name", "from the shell", "--json")))
    # A login reads the store, so the change is visible immediately.
    assert made.token
    made.connect().subscribe("private-x")
    listed = json.loads(pushi(app, "app", "list", "--json"))
    assert made.ident in {entry["ident"] for entry in (listed["apps"] if isinstance(listed, dict) else listed)}
    pushi(app, "app", "delete", made.ident)

    def refused() -> bool:
        return made.open().frame()["event"] == "pusher:error"

    wait_until(refused, "the deleted app is refused", 3)
    made.close()


def test_openapi_prints_what_is_served(app: App) -> None:
    assert json.loads(pushi(app, "openapi")) == app.server.http.get("/openapi.json").json()


def test_check_says_what_a_start_would(app: App) -> None:
    assert str(app.server.app_port) in pushi(app, "check")
