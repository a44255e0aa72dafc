"""Digests: the events of a window in one e-mail."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from fixtures.app import App
from fixtures.mail import MailServer
from fixtures.server import Server
from fixtures.targets import logged, register, registered
from fixtures.waiting import wait_until

PUBLIC = "https://push.example"
SENDER = "shop@shop.example"
ANN = "ann@shop.example"


def configure(app: App, mail: MailServer) -> App:
    """Gives the app its mail server."""
    app.configure(smtp_url=f"smtp://127.0.0.1:{mail.port}?sender={SENDER}")
    return app


@pytest.fixture
def app(launch: Callable[..., Server], mail: MailServer) -> Iterator[App]:
    """An app that sends mails, on a server with an address for people."""
    fresh = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1, PUSHI_PUBLIC_URL=PUBLIC).create_app()
    yield configure(fresh, mail)
    fresh.close()


def test_the_events_of_a_window_are_one_mail(app: App, mail: MailServer) -> None:
    record = register(app, "/smtps", "news", email=ANN, digest="3s")
    assert record["digest"] == "3s"
    register(app, "/smtps", "sport", email=ANN, digest="3s")
    register(app, "/smtps", "news", email="bo@shop.example")
    began = time.monotonic()
    app.publish("news", {"order": 17, "to": "<Bö & co>"}, "order")
    app.publish("news", "d", "other", subject="Order 18\r\nBcc: eve@shop.example", body="Shipped", html="<script>")
    app.publish(["sport", "news"], "both", "goal\u2028")
    for _ in range(3):
        assert mail.next().recipients == ["bo@shop.example"]
    received = mail.next()
    assert time.monotonic() - began >= 3
    assert (received.sender, received.recipients) == (SENDER, [ANN])
    assert received.mail["Subject"] == "[Pushi] 3 events"
    assert received.mail["Auto-Submitted"] == "auto-generated"
    for text in ("Channel: news", "Event: order", '"order": 17', "<Bö & co>", "Order 18", "Shipped", "both"):
        assert text in received.text, received.text
    assert "&lt;Bö &amp; co&gt;" in received.html and "<script>" not in received.html
    assert received.html.count("<h2>") == 3 and "Bcc" not in received.mail
    assert [one["state"] for one in logged(app, "--kind", "email")] == ["done"] * 6
    # One click ends both.
    assert received.mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = app.server.url + received.mail["List-Unsubscribe"][len(PUBLIC) + 1 : -1]
    page = httpx.get(link).text
    assert "news" in page and "sport" in page
    assert httpx.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert [one["email"] for one in registered(app, "/smtps")] == ["bo@shop.example"]
    assert mail.mails.empty()


def test_a_window_survives_the_death_of_the_server(launch: Callable[..., Server], mail: MailServer) -> None:
    server = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1)
    app = configure(server.create_app(), mail)
    register(app, "/smtps", "news", email=ANN, digest="6s")
    for text in ("one", "two"):
        app.publish("news", text)
    wait_until(lambda: len(logged(app, "--state", "waiting")) == 2, "two collected events")
    server.kill()
    server.start()
    app.publish("news", "three")
    received = mail.next()
    assert received.mail["Subject"] == "[Pushi] 3 events"
    assert [text in received.text for text in ("one", "two", "three")] == [True] * 3
    wait_until(lambda: len(logged(app, "--state", "done")) == 3, "the delivery of all")
    assert mail.mails.empty()
    app.close()


def test_a_digest_that_is_refused_is_sent_later(app: App, mail: MailServer) -> None:
    app.configure(smtp_url=f"smtp://ann:wrong@127.0.0.1:{mail.port}?sender={SENDER}")
    register(app, "/smtps", "news", email=ANN, digest="1s")
    app.publish("news", "one")
    app.publish("news", "two")
    wait_until(lambda: any(one["error"] for one in logged(app, "--state", "waiting")), "the failure")
    configure(app, mail)
    received = mail.next(60)
    assert "one" in received.text and "two" in received.text
