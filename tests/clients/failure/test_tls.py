"""TLS on both listeners, and certificate reloads."""

import os
import select
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from fixtures.app import App
from fixtures.problem import problem
from fixtures.server import Server
from fixtures.waiting import wait_until


class LockedTlsSocket(ssl.SSLSocket):
    """A blocking TLS socket that one thread reads while another writes, as `websockets` does.

    OpenSSL permits one call at a time on a connection, and Python takes a lock only from 3.13. Without it a session
    ticket that is read during the first write can lose that write.
    """

    def __new__(cls, *arguments: Any, **options: Any) -> "LockedTlsSocket":
        created = super().__new__(cls, *arguments, **options)
        created.lock = threading.Lock()
        return created

    def recv(self, size: int = 1024, flags: int = 0) -> bytes:
        """Reads without holding the lock while nothing arrives."""
        while True:
            with self.lock:
                self.settimeout(0)
                try:
                    return super().recv(size, flags)
                except ssl.SSLWantReadError:
                    pass
                finally:
                    self.settimeout(None)
            select.select([self], [], [])

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Writes while no read is in progress."""
        with self.lock:
            super().sendall(data, flags)


class Certificates:
    """A key and a certificate in files, issued by a CA of the test."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.key, self.cer = folder / "server.key", folder / "server.cer"
        self.context = ssl.create_default_context()
        self.context.sslsocket_class = LockedTlsSocket
        self.authority.configure_trust(self.context)
        self.issue()

    def issue(self) -> None:
        """Writes a new certificate, each file in one step."""
        made = self.authority.issue_cert("127.0.0.1")
        for path, blobs in ((self.key, [made.private_key_pem]), (self.cer, made.cert_chain_pems)):
            fresh = path.with_suffix(".new")
            fresh.write_bytes(b"".join(blob.bytes() for blob in blobs))
            os.replace(fresh, path)

    def served(self, port: int) -> bytes:
        """The certificate that a listener presents."""
        return ssl.get_server_certificate(("127.0.0.1", port), timeout=10).encode()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """The files."""
    return Certificates(tmp_path)


def both(certificates: Certificates) -> dict[str, object]:
    """Settings for TLS on both listeners."""
    names = {"SSL": 1, "SSL_KEY": certificates.key, "SSL_CER": certificates.cer}
    return {f"{listener}_{name}": value for listener in ("APP", "SERVER") for name, value in names.items()}


def trusting(server: Server, certificates: Certificates) -> App:
    """An app on a server whose certificate the clients trust."""
    headers = dict(server.admin.headers)
    server.http = httpx.Client(base_url=server.url, verify=certificates.context, trust_env=False)
    server.admin = httpx.Client(base_url=server.url, verify=certificates.context, headers=headers, trust_env=False)
    server.spawn()
    wait_until(server.is_ready, "ready over TLS", 20)
    server.ws_url = f"wss://127.0.0.1:{server.server_port}"
    return server.create_app()


def test_both_listeners_speak_tls(launch: Callable[..., Server], certificates: Certificates) -> None:
    server = launch(ready=False, **both(certificates))
    app = trusting(server, certificates)
    socket = app.open(ssl=certificates.context)
    socket.greet()
    socket.subscribe("private-x")
    app.configure(tls_only=True)
    app.open(ssl=certificates.context).greet()
    login = server.http.post("/login", params=app.credentials)
    assert "secure" in {part.strip().lower() for part in login.headers["set-cookie"].split(";")}
    app.close()


def test_plain_text_to_a_tls_listener_is_told_so(launch: Callable[..., Server], certificates: Certificates) -> None:
    server = launch(ready=False, **both(certificates))
    app = trusting(server, certificates)
    plain = httpx.get(f"http://127.0.0.1:{server.app_port}/health", trust_env=False, timeout=20)
    assert "https" in problem(plain, 400)["message"]
    app.open(ssl=certificates.context).greet()
    app.close()


def test_replaced_files_are_picked_up_and_open_sockets_stay(
    launch: Callable[..., Server], certificates: Certificates
) -> None:
    server = launch(ready=False, **both(certificates))
    app = trusting(server, certificates)
    socket = app.open(ssl=certificates.context)
    socket.greet()
    before = certificates.served(server.server_port)
    certificates.issue()
    for port in (server.server_port, server.app_port):
        wait_until(lambda p=port: certificates.served(p) != before, "the new certificate is served", 30)
    socket.quiet()
    # Files without a valid certificate have no effect.
    now = certificates.served(server.server_port)
    certificates.cer.write_text("nonsense")
    app.open(ssl=certificates.context).greet()
    assert certificates.served(server.server_port) == now
    app.close()
