"""E-mails that Debian's Postfix delivers to a mailbox."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from fixtures.postfix import Postfix, missing
from fixtures.server import Server

pytestmark = pytest.mark.skipif(bool(missing()) and os.environ.get("CI") != "true", reason=missing())


@pytest.fixture
def postfix(tmp_path: Path) -> Iterator[Postfix]:
    """A running Postfix; the certificate of its authority is in `ca.pem`."""
    assert not missing()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    running = Postfix(tmp_path / "postfix", authority)
    yield running
    running.close()


def test_mails_arrive_in_a_mailbox(launch: Callable[..., Server], postfix: Postfix, tmp_path: Path) -> None:
    server = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1, SSL_CERT_FILE=tmp_path / "ca.pem")
    app = server.create_app()
    body = "Grüße,\n.\nFrom the shop\n" + "x" * 3000
    for scheme, port in (("smtps", postfix.port), ("smtp+ssl", postfix.tls_port)):
        app.configure(smtp_url=f"{scheme}://localhost:{port}?sender=shop@shop.example")
        mail = {"to": ["ann@shop.example", "ben@shop.example"], "subject": f"Über {scheme}", "body": body}
        answer = app.rest.post("/messaging/email", json={**mail, "html": "<p>Grüße</p>"}).json()
        assert answer["success"], (answer, server.log, postfix.log)
    mails = postfix.received(4)
    assert sorted((mail["Subject"], mail["Delivered-To"]) for mail in mails) == [
        ("Über smtp+ssl", "ann@shop.example"),
        ("Über smtp+ssl", "ben@shop.example"),
        ("Über smtps", "ann@shop.example"),
        ("Über smtps", "ben@shop.example"),
    ]
    for mail in mails:
        text, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert text is not None and text.get_content().rstrip("\n") == body
        assert html is not None and html.get_content().strip() == "<p>Grüße</p>"
        assert mail["Return-Path"] == "<shop@shop.example>"
    answer = app.rest.post("/messaging/email", json={"to": "ann@other.example", "subject": "S", "body": "B"}).json()
    assert "recipient (454" in answer["failed"][0]["error"] or "recipient (554" in answer["failed"][0]["error"]
    app.close()
