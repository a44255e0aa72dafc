"""Direct e-mails to real mail servers: STARTTLS, TLS from the start, logins and refusals; nothing is injected."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme

from fixtures.app import App
from fixtures.mail import PASSWORD, USER, MailServer
from fixtures.problem import problem
from fixtures.server import Server

SENDER = "shop@shop.example"
LOGIN = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@"


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """A certificate authority; its certificate is in `ca.pem`."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


@pytest.fixture
def mail_server() -> Iterator[Callable[..., MailServer]]:
    """Starts mail servers."""
    running: list[MailServer] = []

    def start(*arguments: Any, **options: Any) -> MailServer:
        running.append(MailServer(*arguments, **options))
        return running[-1]

    yield start
    for one in running:
        one.close()


def send(app: App, **body: Any) -> dict[str, Any]:
    """Sends an e-mail directly; returns the answer."""
    answer = app.rest.post("/messaging/email", json={"to": "ben@shop.example", "subject": "S", "body": "B", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_app_sends_through_its_own_server(launch: Callable[..., Server], mail_server: Callable[..., Any]) -> None:
    receiver = mail_server()
    url = f"smtp://127.0.0.1:{receiver.port}?sender={quote('Shop <shop@shop.example>')}"
    app = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1).create_app(settings={"smtp_url": url})
    answer = send(app, to=["ben@shop.example", "eve@müller.example"], subject="Ünïcode 漢字", body="Hello,\n.\nBen")
    assert answer == {"success": True, "recipients": ["ben@shop.example", "eve@müller.example"]}
    mails = {mail.recipients[0]: mail for mail in (receiver.next(), receiver.next())}
    assert set(mails) == {"ben@shop.example", "eve@xn--mller-kva.example"}
    mail = mails["ben@shop.example"]
    assert (mail.sender, mail.recipients) == (SENDER, ["ben@shop.example"])
    assert mail.mail["From"] == "Shop <shop@shop.example>"
    assert mail.mail["To"] == "ben@shop.example"
    assert mail.mail["Subject"] == "Ünïcode 漢字"
    assert mail.mail["Auto-Submitted"] == "auto-generated"
    assert mail.mail["Date"] and mail.mail["Message-ID"].endswith("@shop.example>")
    assert mail.text.rstrip("\n") == "Hello,\n.\nBen"
    assert not mail.encrypted
    app.close()


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_tls_and_login(
    launch: Callable[..., Server], mail_server: Callable[..., Any], authority: trustme.CA, tmp_path: Path, tls: str
) -> None:
    receiver = mail_server(authority, tls, login=True)
    scheme = {"starttls": "smtps", "implicit": "smtp+ssl"}[tls]
    url = f"{scheme}://{LOGIN}localhost:{receiver.port}?sender={SENDER}"
    server = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1, SSL_CERT_FILE=tmp_path / "ca.pem")
    app = server.create_app(settings={"smtp_url": url})
    assert send(app)["success"], server.log
    first = receiver.next()
    assert (first.encrypted, first.user) == (True, USER)
    # The connection is kept.
    assert send(app)["success"]
    assert receiver.next().peer == first.peer
    wrong = url.replace(quote(PASSWORD, safe=""), "wrong-password")
    app.configure(smtp_url=wrong)
    answer = send(app)
    assert answer["success"] is False
    assert "login" in answer["failed"][0]["error"]
    assert "wrong-password" not in server.log + str(answer)
    app.close()


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_certificate_that_nobody_trusts_gets_no_mail(
    launch: Callable[..., Server], mail_server: Callable[..., Any], authority: trustme.CA, tmp_path: Path, tls: str
) -> None:
    receiver = mail_server(trustme.CA(), tls, login=True)
    scheme = {"starttls": "smtps", "implicit": "smtp+ssl"}[tls]
    url = f"{scheme}://{LOGIN}localhost:{receiver.port}?sender={SENDER}"
    server = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1, SSL_CERT_FILE=tmp_path / "ca.pem")
    app = server.create_app(settings={"smtp_url": url})
    answer = send(app)
    assert answer["success"] is False and "TLS" in answer["failed"][0]["error"]
    assert receiver.mails.empty()
    app.close()


def test_a_server_without_starttls_gets_no_mail(launch: Callable[..., Server], mail_server: Callable[..., Any]) -> None:
    receiver = mail_server()
    app = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1).create_app(
        settings={"smtp_url": f"smtps://127.0.0.1:{receiver.port}?sender={SENDER}"}
    )
    answer = send(app)
    assert answer["success"] is False and "STARTTLS" in answer["failed"][0]["error"]
    assert receiver.mails.empty()
    app.close()


def test_the_operators_server_may_be_private_and_that_of_a_request_may_not(
    launch: Callable[..., Server], mail_server: Callable[..., Any]
) -> None:
    receiver = mail_server()
    server = launch(SMTP_HOST="127.0.0.1", SMTP_PORT=receiver.port, SMTP_SENDER=SENDER)
    app = server.create_app()
    assert send(app) == {"success": True, "recipients": ["ben@shop.example"]}
    assert receiver.next().sender == SENDER
    for host in ("127.0.0.1", "localhost", "::1", "0x7f.1"):
        answer = send(app, smtp_host=host, smtp_port=receiver.port, smtp_sender=SENDER)
        assert answer["success"] is False
        assert "private network" in answer["failed"][0]["error"], answer
    answer = app.rest.post("/messaging/email", json={"to": "a@b.example", "subject": "S", "body": "B", "smtp_port": 25})
    assert "smtp_host" in problem(answer, 400)["message"]
    assert receiver.mails.empty()
    app.close()


def test_a_request_names_its_own_server(launch: Callable[..., Server], mail_server: Callable[..., Any]) -> None:
    receiver = mail_server(login=True)
    app = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1).create_app()
    answer = send(app)
    assert (answer["success"], answer["error"]) == (False, "SMTP host not configured")
    assert answer["failed"] == [{"target": "ben@shop.example", "error": "SMTP host not configured"}]
    server = {"smtp_host": "127.0.0.1", "smtp_port": receiver.port, "smtp_user": USER, "smtp_password": PASSWORD}
    assert send(app, **server)["error"] == "SMTP sender not configured"
    answer = send(app, **server, smtp_starttls=False, smtp_sender=SENDER, body="<p>Hi</p>", html=True)
    assert answer == {"success": True, "recipients": ["ben@shop.example"]}
    mail = receiver.next()
    assert mail.user == USER
    assert mail.html.strip() == "<p>Hi</p>" and mail.mail.get_body(("plain",)) is None
    assert send(app, **server, smtp_sender=SENDER, body="Hi", html="<p>Hi</p>")["success"]
    mail = receiver.next()
    assert (mail.text.strip(), mail.html.strip()) == ("Hi", "<p>Hi</p>")
    app.close()


def test_refused_recipients_are_named(launch: Callable[..., Server], mail_server: Callable[..., Any]) -> None:
    receiver = mail_server()
    app = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1).create_app(
        settings={"smtp_url": f"smtp://127.0.0.1:{receiver.port}?sender={SENDER}"}
    )
    to = ["unknown@shop.example", "ben@shop.example", "later@shop.example", "no address"]
    answer = send(app, to=to)
    assert (answer["success"], answer["recipients"]) == (False, ["ben@shop.example"])
    errors = {entry["target"]: entry["error"] for entry in answer["failed"]}
    assert set(errors) == {"unknown@shop.example", "later@shop.example", "no address"}
    assert "550 5.1.1" in errors["unknown@shop.example"] and "451 4.7.1" in errors["later@shop.example"]
    assert receiver.next().recipients == ["ben@shop.example"]
    app.close()


@pytest.mark.parametrize(
    "subject",
    [
        "a\r\nBcc: eve@shop.example",
        "a\n\nbody",
        "a\rBcc: eve@shop.example",
        "a\u2028Bcc: eve@shop.example\x00\x0b",
        "=?utf-8?q?a=0D=0ABcc:_eve@shop.example?=",
        "x" * 3000,
        "word " * 600,
    ],
)
def test_nothing_is_injected(launch: Callable[..., Server], mail_server: Callable[..., Any], subject: str) -> None:
    receiver = mail_server()
    app = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1).create_app(
        settings={"smtp_url": f"smtp://127.0.0.1:{receiver.port}?sender={SENDER}"}
    )
    body = "text\r\n.\r\nMAIL FROM:<eve@shop.example>\r\n"
    assert send(app, subject=subject, body=body)["success"]
    mail = receiver.next()
    assert "Bcc" not in mail.mail and mail.recipients == ["ben@shop.example"]
    assert mail.text.rstrip() == body.replace("\r\n", "\n").rstrip()
    assert all(len(line) <= 998 for line in mail.raw.split(b"\r\n"))
    assert b"\n" not in mail.raw.replace(b"\r\n", b"")
    answer = send(app, to="ben@shop.example>\r\nRCPT TO:<eve@shop.example")
    assert answer["success"] is False
    assert receiver.mails.empty()
    app.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"to": None}, "No recipient specified"),
        ({"to": []}, "No recipient specified"),
        ({"to": 7}, "to must be"),
        ({"subject": ""}, "No subject specified"),
        ({"body": ""}, "No body specified"),
        ({"body": 7}, "body must be"),
        ({"html": 7}, "html must be"),
        ({"smtp_host": "mail example"}, "host"),
        ({"smtp_host": "mail.example", "smtp_port": 0}, "smtp_port"),
        ({"smtp_host": "mail.example", "smtp_port": "x"}, "smtp_port"),
        ({"smtp_host": "mail.example", "smtp_user": "ann"}, "smtp_user"),
        ({"smtp_host": "mail.example", "smtp_sender": "shop"}, "smtp_sender"),
    ],
)
def test_a_body_that_cannot_be_understood_is_400(app: App, change: dict[str, Any], reason: str) -> None:
    body = {"to": "ben@shop.example", "subject": "S", "body": "B", **change}
    assert reason in problem(app.rest.post("/messaging/email", json=body), 400)["message"]
