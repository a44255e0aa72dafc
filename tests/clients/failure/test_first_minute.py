"""The first start on an empty database, with only the listen addresses configured."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from fixtures.app import App
from fixtures.server import Server

BARE = {"PUSHI_ADMIN_TOKEN": None, "DATABASE_URL": None}


def test_it_creates_an_app_and_prints_a_line_that_works(launch: Callable[..., Server], tmp_path: Path) -> None:
    server = launch("same", **BARE)
    assert (server.folder / "pushi.db").is_file()
    text = server.printed + server.log
    for address in (server.url, f"{server.url}/docs"):
        assert address in text
    (line,) = [line.strip() for line in text.splitlines() if line.strip().startswith("curl ")]
    shell = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30, check=False)
    assert shell.returncode == 0, shell.stderr
    assert '"result":"success"' in shell.stdout.replace(" ", ""), shell.stdout

    def told(name: str) -> str:
        found = re.search(rf"(?im)^\W*(?:app[ _])?{name}\W+([A-Za-z0-9_-]+)\s*$", text)
        assert found, f"no {name} in:\n{text}"
        return found.group(1)

    app = App(server, {"ident": told("id"), "key": told("key"), "secret": told("secret")})
    assert app.rest.get(f"/apps/{app.ident}").json()["name"] == "default"
    assert len(app.rest.get("/events").json()["events"]) == 1
    app.connect().subscribe("private-x")
    app.close()

    # Only once: the second start does not print it.
    server.stop()
    before = len(server.printed + server.log)
    again = launch("same", **BARE)
    assert app.secret not in (again.printed + again.log)[before:]


def test_a_configured_app_is_there_after_the_start(launch: Callable[..., Server]) -> None:
    chosen = {"PUSHI_APP_ID": "shop", "PUSHI_APP_KEY": "shop-key", "PUSHI_APP_SECRET": "shop-secret"}
    server = launch("same", PUSHI_APP_NAME="The shop", **chosen)
    app = App(server, {"ident": "shop", "key": "shop-key", "secret": "shop-secret"})
    assert app.rest.get("/apps/shop").json()["name"] == "The shop"
    app.close()
    server.stop()
    again = launch("same", **{**chosen, "PUSHI_APP_SECRET": "another-secret"})
    changed = App(again, {"ident": "shop", "key": "shop-key", "secret": "another-secret"})
    changed.connect().subscribe("private-x")
    assert changed.token
    assert "another-secret" not in again.log + again.printed
    changed.close()


def test_in_memory_nothing_is_written(launch: Callable[..., Server]) -> None:
    server = launch(DATABASE_URL="sqlite::memory:")
    app = server.create_app()
    app.publish("global", "x")
    assert app.history("global")[0]["serial"] == 1
    assert not list(server.folder.glob("*.db*"))
    app.close()
