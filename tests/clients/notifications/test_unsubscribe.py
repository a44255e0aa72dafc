"""Links in e-mails with which recipients end their registrations (RFC 8058)."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from fixtures.app import App
from fixtures.mail import MailServer
from fixtures.server import Server
from fixtures.targets import register, registered

PUBLIC = "https://push.example/base"
SENDER = "shop@shop.example"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def app(launch: Callable[..., Server], mail: MailServer) -> Iterator[App]:
    """An app that sends mails, on a server with an address for people."""
    server = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1, PUSHI_PUBLIC_URL=f"{PUBLIC}/")
    fresh = server.create_app()
    fresh.configure(smtp_url=f"smtp://127.0.0.1:{mail.port}?sender={SENDER}")
    yield fresh
    fresh.close()


def link(app: App, mail: MailServer) -> str:
    """The link of the next mail, on the server itself."""
    received = mail.next().mail
    assert received["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = received["List-Unsubscribe"]
    assert address.startswith(f"<{PUBLIC}/unsubscribe/") and address.endswith(">")
    return app.server.url + address[len(PUBLIC) + 1 : -1]


def channels(app: App) -> list[str]:
    """The channels of which addresses get mails."""
    return sorted(one["event"] for one in registered(app, "/smtps"))


def test_one_click_ends_the_registration_of_the_mail(app: App, mail: MailServer) -> None:
    for channel in ("other", "news <b>", "private-a"):
        register(app, "/smtps", channel, email="ann@shop.example")
    register(app, "/smtps", "other", email="bo@shop.example")
    app.publish("news <b>", "d")
    address = link(app, mail)
    assert "ann" not in address
    # What scanners of links do ends nothing.
    page = httpx.get(address)
    assert page.status_code == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<form method="post"><button>' in page.text and "news &lt;b&gt;" in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert httpx.head(address).status_code == 200
    assert httpx.options(address).headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert httpx.delete(address).status_code == 405
    assert len(channels(app)) == 4

    done = httpx.post(address, data=ONE_CLICK)
    assert done.status_code == 200 and "You are unsubscribed" in done.text
    assert channels(app) == ["other", "other", "private-a"]
    # A repetition changes nothing, and neither does the page.
    assert httpx.post(address, data=ONE_CLICK).status_code == 200
    again = httpx.get(address)
    assert again.status_code == 200 and "form" not in again.text.split("<body>")[1]
    app.publish("news <b>", "nobody")
    app.publish("private-a", "still")
    assert "Channel: private-a" in (received := mail.next()).text
    assert received.recipients == ["ann@shop.example"]


def test_a_new_registration_is_not_ended_by_an_old_link(app: App, mail: MailServer) -> None:
    register(app, "/smtps", "news", email="ann@shop.example")
    app.publish("news", "d")
    address = link(app, mail)
    httpx.post(address, data=ONE_CLICK)
    register(app, "/smtps", "news", email="bo@shop.example")
    assert httpx.post(address, data=ONE_CLICK).status_code == 200
    assert channels(app) == ["news"]


def test_a_link_that_was_not_sent_ends_nothing(app: App, mail: MailServer) -> None:
    register(app, "/smtps", "news", email="ann@shop.example")
    app.publish("news", "d")
    base, token = link(app, mail).rsplit("/", 1)
    ident, number, digest, signature = token.split(".")
    other = app.server.create_app()
    for guess in (
        f"{ident}.{number}.{digest}.{'0' * 64}",
        f"{ident}.{number}.{digest}.",
        f"{ident}.{int(number) + 1}.{digest}.{signature}",
        f"{other.ident}.{number}.{digest}.{signature}",
        f"nobody.{number}.{digest}.{signature}",
        f"{ident}.{number}.{'0' * 32}.{signature}",
        "",
        "x",
        f"{token}/x",
    ):
        for answer in (httpx.get(f"{base}/{guess}"), httpx.post(f"{base}/{guess}", data=ONE_CLICK)):
            assert answer.status_code == 404, guess
    other.close()
    assert channels(app) == ["news"]


def test_mails_for_a_user_name_the_registration_of_the_user(app: App, mail: MailServer) -> None:
    register(app, "/smtps", "elsewhere", email="ann@shop.example")
    register(app, "/smtps", "personal-ann", email="ann@shop.example")
    answer = app.rest.post("/subscriptions", json={"user_id": "ann", "event": "news"})
    assert answer.status_code == 200, answer.text
    app.publish("news", "d")
    httpx.post(link(app, mail), data=ONE_CLICK)
    assert channels(app) == ["elsewhere"]


def test_without_an_address_for_people_there_is_no_link(launch: Callable[..., Server], mail: MailServer) -> None:
    app = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1).create_app()
    app.configure(smtp_url=f"smtp://127.0.0.1:{mail.port}?sender={SENDER}")
    register(app, "/smtps", "news", email="ann@shop.example")
    app.publish("news", "d")
    assert "List-Unsubscribe" not in mail.next().mail
    app.close()
