"""`pushi doctor`, straight at the server and through proxies that are wrong in one way each."""

import datetime
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from fixtures.app import App
from fixtures.server import BINARY, Server, free_port
from fixtures.waiting import wait_until

Checks = dict[str, dict[str, Any]]


def doctor(url: str, *arguments: str, app: App | None = None, **environment: str) -> Checks:
    """The checks by name; the last one of a name counts. The exit code fits them."""
    if app:
        arguments += ("--app-id", app.ident, "--app-key", app.key, "--app-secret", app.secret)
    done = subprocess.run(
        [BINARY, "doctor", url, "--json", *arguments],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    answer = json.loads(done.stdout)
    checks = {check["check"]: check for check in answer["checks"]}
    failed = any(check["state"] == "failed" for check in answer["checks"])
    assert (done.returncode, answer["result"]) == ((1, "failed") if failed else (0, "success")), done.stderr
    return checks


def states(checks: Checks) -> dict[str, str]:
    return {name: check["state"] for name, check in checks.items()}


@contextmanager
def program(folder: Path, port: int, *command: str) -> Iterator[None]:
    """Runs a proxy until the block ends."""
    with open(folder / "proxy.log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_until(lambda: accepts(port), f"{command[0]} listens")
        yield
    finally:
        process.terminate()
        process.wait(20)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def nginx(folder: Path, server: Server, location: str) -> Iterator[str]:
    port = free_port()
    paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"""daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}}
        http {{ access_log off; {paths} server {{ listen 127.0.0.1:{port};
            location / {{ proxy_pass {server.url}; {location} }} }} }}"""
    )
    with program(folder, port, "nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def haproxy(folder: Path, server: Server, tunnel: str) -> Iterator[str]:
    port = free_port()
    (folder / "haproxy.cfg").write_text(
        f"""defaults
            mode http
            timeout connect 5s
            timeout client 60s
            timeout server 60s
            timeout tunnel {tunnel}
        frontend all
            bind 127.0.0.1:{port}
            default_backend pushi
        backend pushi
            server one 127.0.0.1:{server.app_port}\n"""
    )
    with program(folder, port, "haproxy", "-db", "-f", str(folder / "haproxy.cfg")):
        yield f"http://127.0.0.1:{port}"


UPGRADE = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'


def test_a_server_in_order_passes_every_check(launch: Callable[..., Server]) -> None:
    server = launch(PUSHI_ACTIVITY_TIMEOUT=1)
    app = server.create_app()
    assert set(states(doctor(server.url, app=app)).values()) == {"ok"}
    assert set(states(doctor(server.ws_url, app=app)).values()) == {"ok"}
    unknown = states(doctor(server.url))
    assert (unknown["pusher"], unknown["pushi"], unknown["signature"]) == ("ok", "ok", "skipped")


def test_wrong_credentials_are_found_and_not_shown(server: Server, app: App) -> None:
    app.secret = "a-wrong-secret-of-the-test"
    checks = doctor(server.url, "--idle", "0", app=app)
    assert [checks[name]["state"] for name in ("pusher", "pushi", "signature")] == ["failed"] * 3
    assert "--app-secret" in checks["signature"]["fix"]
    assert app.secret not in json.dumps(checks)
    app.key = "no-such-key"
    assert "--app-key" in doctor(server.url, "--idle", "0", app=app)["pushi"]["fix"]


def test_a_proxy_that_drops_the_upgrade_is_found(server: Server, app: App, tmp_path: Path) -> None:
    with nginx(tmp_path, server, "") as url:
        checks = doctor(url, "--idle", "0", app=app)
    assert checks["server"]["state"] == checks["signature"]["state"] == "ok"
    assert checks["pusher"]["state"] == checks["pushi"]["state"] == "failed"
    assert "proxy_set_header Upgrade" in checks["pushi"]["fix"]
    with nginx(tmp_path, server, UPGRADE) as url:
        assert states(doctor(url, "--idle", "0", app=app))["pushi"] == "ok"


def test_a_proxy_that_closes_idle_connections_is_found(server: Server, app: App, tmp_path: Path) -> None:
    with haproxy(tmp_path, server, "1s") as url:
        checks = doctor(url, app=app)
    assert checks["pushi"]["state"] == "ok" and checks["idle"]["state"] == "failed"
    assert "timeout tunnel" in checks["idle"]["fix"]


def test_a_proxy_without_its_server_is_found(launch: Callable[..., Server], tmp_path: Path) -> None:
    server = launch()
    with nginx(tmp_path, server, UPGRADE) as url:
        server.stop()
        checks = doctor(url)
    assert checks["server"]["state"] == "failed" and "502" in checks["server"]["message"]


def test_addresses_that_do_not_answer_are_found() -> None:
    assert doctor("https://no-such-host.invalid")["dns"]["state"] == "failed"
    refused = doctor(f"http://127.0.0.1:{free_port()}")["connect"]
    assert refused["state"] == "failed" and "firewall" in refused["fix"]


@pytest.mark.parametrize("case", ["valid", "unknown", "expired", "ends soon", "other name"])
def test_certificates_are_checked(launch: Callable[..., Server], tmp_path: Path, case: str) -> None:
    authority = trustme.CA()
    days = {"expired": -1, "ends soon": 3}.get(case, 60)
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days, hours=1)
    name = "other.example" if case == "other name" else "127.0.0.1"
    issued = authority.issue_cert(name, not_after=until)
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    server = launch(APP_SSL="1", APP_SSL_KEY=tmp_path / "key.pem", APP_SSL_CER=tmp_path / "cert.pem", ready=False)
    server.spawn()
    wait_until(lambda: accepts(server.app_port), "the server listens")
    trusted = {} if case == "unknown" else {"SSL_CERT_FILE": str(tmp_path / "authority.pem")}
    tls = doctor(server.url, **trusted)["tls"]
    expected = {"valid": "ok", "ends soon": "warning"}.get(case, "failed")
    assert tls["state"] == expected, tls
    hint = {"unknown": "whole chain", "expired": "renew", "ends soon": "renew", "other name": "names this host"}
    assert hint.get(case, "") in (tls["fix"] or "")


def test_a_clock_that_is_wrong_is_found() -> None:
    class Late(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Date", "Sun, 06 Nov 1994 08:49:37 GMT")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Late) as late:
        threading.Thread(target=late.serve_forever, daemon=True).start()
        checks = doctor(f"http://127.0.0.1:{late.server_address[1]}")
        late.shutdown()
    assert checks["clock"]["state"] == "failed" and "synchronise" in checks["clock"]["fix"]
    assert checks["server"]["state"] == "warning"
