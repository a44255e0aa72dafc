"""Events that reach browsers, e-mail addresses and Apple devices, each played by another implementation."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixtures.apns import KEY_ID, TEAM_ID, TOPIC, Apns, new_key, prepared
from fixtures.app import App
from fixtures.mail import MailServer
from fixtures.push_service import PushService
from fixtures.server import Server
from fixtures.targets import logged, notify, register, registered, until_logged
from fixtures.waiting import wait_until

KEY = new_key()
APPLE = {"apn_key": KEY, "apn_key_id": KEY_ID, "apn_team_id": TEAM_ID, "apn_topic": TOPIC}
SENDER = "shop@shop.example"


@pytest.fixture
def apple() -> Iterator[Apns]:
    """Apple's push service."""
    listening = Apns(KEY)
    yield listening
    listening.close()


@pytest.fixture
def app(launch: Callable[..., Server], apple: Apns) -> Iterator[App]:
    """An app without credentials, on a server that may call private addresses."""
    server = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1, PUSHI_CONTACT="ops@shop.example", PUSHI_APNS_URL=apple.url)
    fresh = server.create_app()
    yield fresh
    fresh.close()


def with_key(app: App) -> str:
    """Makes the app's VAPID key; returns its public part."""
    return app.rest.post(f"/apps/{app.ident}/vapid").json()["vapid_public_key"]


def test_a_browser_reads_its_events(app: App, browser: PushService) -> None:
    key = with_key(app)
    register(app, "/web_pushes", "personal-ann", **browser.subscription)
    app.follow("ann", "news")
    for members, payload, ttl in [
        ({"data": "Grüße"}, "Grüße", 86_400),
        ({"data": {"a": 1}, "push": "p", "message": "m"}, '{"a":1}', 86_400),
        (
            {"data": "d", "web_push": {"title": "T", "ttl": 60, "urgency": "high", "topic": "t-1", "headers": {}}},
            '{"title":"T"}',
            60,
        ),
        ({"data": "d", "web_push": "text"}, "text", 86_400),
        ({"data": "d", "web_push": None}, "d", 86_400),
    ]:
        app.publish("news", **members)
        delivered = browser.message()
        assert delivered.payload.decode() == payload
        assert int(delivered.headers["ttl"]) == ttl
        assert (delivered.key, delivered.claims["sub"]) == (key, "mailto:ops@shop.example")
        assert delivered.headers.get("urgency") == ("high" if ttl == 60 else None)
        assert delivered.headers.get("topic") == ("t-1" if ttl == 60 else None)
    app.publish(["news", "personal-ann"], "once")
    assert browser.message().payload == b"once"
    app.publish("personal-ann", "last", persist=False)
    assert browser.message().payload == b"last"
    assert browser.delivered.empty()
    browser.status = 410
    app.publish("news", "gone")
    browser.message()
    wait_until(lambda: not registered(app, "/web_pushes"), "the removal of the browser")


def test_a_new_endpoint_of_a_browser_replaces_the_older(app: App, browser: PushService) -> None:
    with_key(app)
    older = {**browser.subscription, "endpoint": f"{browser.origin}/older"}
    register(app, "/web_pushes", "news", **older)
    register(app, "/web_pushes", "news", **browser.subscription)
    assert [one["endpoint"] for one in registered(app, "/web_pushes")] == [browser.endpoint]
    app.publish("news", "x")
    assert browser.message().payload == b"x"
    assert until_logged(app, "web_push", "done")["attempts"] == 1
    assert browser.delivered.empty()


def test_an_address_receives_mails(app: App, mail: MailServer) -> None:
    app.configure(smtp_url=f"smtp://127.0.0.1:{mail.port}?sender={SENDER}")
    register(app, "/smtps", "news", email="ann@shop.example")
    app.publish("news", {"order": 17, "to": "Bö"}, "order")
    received = mail.next()
    assert (received.sender, received.recipients) == (SENDER, ["ann@shop.example"])
    assert received.mail["Subject"] == "[Pushi] order"
    assert received.mail["Auto-Submitted"] == "auto-generated"
    head = "Event Notification\n==================\n\nChannel: news\nEvent: order\n\n"
    assert received.text.rstrip() == head + 'Data:\n{\n  "order": 17,\n  "to": "Bö"\n}'
    first = received.mail["Message-ID"]
    app.publish("news", "d", subject="Order 17\nBcc: eve@shop.example", body="B", html="<p>H</p>")
    received = mail.next()
    assert (received.text.strip(), received.html.strip()) == ("B", "<p>H</p>")
    assert "Bcc" not in received.mail and received.recipients == ["ann@shop.example"]
    assert received.mail["Message-ID"] != first
    # Of several addresses each gets its own mail, and a refused one fails alone.
    register(app, "/smtps", "news", email="unknown@shop.example")
    app.publish("news", "two")
    assert mail.next().recipients == ["ann@shop.example"]
    failed = until_logged(app, "email", "failed")
    assert "recipient (550 5.1.1)" in failed["error"]
    assert failed["target"] == "u…@shop.example"
    assert "unknown@" not in app.server.log


def test_a_device_receives_events(app: App, apple: Apns) -> None:
    app.configure(**APPLE)
    device = "a1" * 32
    register(app, "/apns", "news", token=device)
    for members, body in [
        ({"data": "d"}, {"aps": {"alert": "d", "sound": "default", "badge": 0}}),
        ({"data": "d", "push": {"title": "T"}}, {"aps": {"alert": {"title": "T"}, "sound": "default", "badge": 0}}),
        ({"data": "d", "push": "p", "apn": "a"}, {"aps": {"alert": "a", "sound": "default", "badge": 0}}),
        (
            {
                "data": "d",
                "apn": {"aps": {"alert": "x"}, "n": 1, "headers": {"apns-collapse-id": "c", "apns-priority": 5}},
            },
            {"aps": {"alert": "x"}, "n": 1},
        ),
    ]:
        app.publish("news", **members)
        push = apple.next()
        assert (push.token, push.body) == (device, body)
        assert push.headers["apns-topic"] == TOPIC
    assert (push.headers["apns-collapse-id"], push.headers["apns-priority"]) == ("c", "5")
    assert apple.connections == 1


@pytest.mark.parametrize(
    ("status", "reason", "is_gone"),
    [
        (410, "Unregistered", True),
        (400, "BadDeviceToken", True),
        (400, "PayloadEmpty", False),
        (413, "PayloadTooLarge", False),
    ],
)
def test_apple_refuses_for_good(app: App, apple: Apns, status: int, reason: str, is_gone: bool) -> None:
    app.configure(**APPLE)
    devices = ["a1" * 32, "b2" * 32]
    for device in devices:
        register(app, "/apns", "news", token=device)
    apple.answers[devices[0]] = [prepared(status, reason)]
    app.publish("news", "x")
    assert {apple.next().token, apple.next().token} == set(devices)
    assert reason in until_logged(app, "apn", "failed")["error"]
    left = [one["token"] for one in registered(app, "/apns")]
    assert left == (devices[1:] if is_gone else devices)
    app.publish("news", "y")
    seen = {apple.next().token for _ in left}
    assert seen == set(left)


def test_apple_is_asked_again(app: App, apple: Apns) -> None:
    app.configure(**APPLE)
    device = "a1" * 32
    register(app, "/apns", "news", token=device)
    apple.answers[device] = [prepared(503, "Shutdown"), prepared(429, "TooManyRequests", retry_after=1)]
    app.publish("news", "x")
    app.publish("news", "y")
    assert [apple.next(60).body["aps"]["alert"] for _ in range(4)] == ["x", "x", "x", "y"]


def test_events_wait_for_credentials(app: App, browser: PushService, mail: MailServer, apple: Apns) -> None:
    other = new_key()
    app.configure(**{**APPLE, "apn_key": other}, smtp_url=f"smtp://ann:wrong@127.0.0.1:{mail.port}?sender={SENDER}")
    register(app, "/web_pushes", "news", **browser.subscription)
    register(app, "/smtps", "news", email="ann@shop.example")
    register(app, "/apns", "news", token="a1" * 32)
    app.publish("news", "x")
    assert "VAPID private key not configured" in until_logged(app, "web_push", "waiting", "VAPID")["error"]
    assert "login" in until_logged(app, "email", "waiting", "login")["error"]
    assert "InvalidProviderToken" in until_logged(app, "apn", "waiting", "Invalid")["error"]
    assert len(logged(app, "--state", "waiting")) == 3
    with_key(app)
    app.configure(apn_key=KEY, smtp_url=f"smtp://127.0.0.1:{mail.port}?sender={SENDER}")
    ids = [one["id"] for one in logged(app, "--state", "waiting")]
    if ids:
        notify(app, "replay", *ids)
    assert browser.message(60).payload == b"x"
    assert "\nx\n" in mail.next(60).text
    wait_until(lambda: len(logged(app, "--state", "done")) == 3, "the delivery of all", 60)
    log = app.server.log
    for secret in (browser.endpoint, "ann@shop.example", "a1" * 32, "wrong"):
        assert secret not in log


def test_the_command_tests_each_kind(app: App, browser: PushService, mail: MailServer, apple: Apns) -> None:
    app.configure(**APPLE, smtp_url=f"smtp://127.0.0.1:{mail.port}?sender={SENDER}")
    with_key(app)

    def outcome(kind: str, target: str) -> tuple[int, str]:
        run = notify(app, "test", "--app", app.ident, "--kind", kind, "--target", target)
        return run.returncode, run.stdout + run.stderr

    code, text = outcome("web_push", browser.endpoint)
    assert code != 0 and "register the endpoint first" in text
    register(app, "/web_pushes", "news", **browser.subscription)
    for kind, target in [("web_push", browser.endpoint), ("email", "ann@shop.example"), ("apn", "a1" * 32)]:
        code, text = outcome(kind, target)
        assert (code, text) == (0, "the target accepted the message\n")
    assert browser.message().payload == b"This is a test of pushi notify."
    assert "This is a test of pushi notify." in mail.next().text
    assert apple.next().body["aps"]["alert"] == "This is a test of pushi notify."
    for kind, target in [("email", "ann"), ("apn", "a1"), ("email", "unknown@shop.example")]:
        code, text = outcome(kind, target)
        assert code != 0 and "did not accept" in text, text
    health: dict[str, Any] = app.server.admin.get("/health/detailed").json()["checks"]["handlers"]
    counts = {one["name"]: one["stats"]["subscription_count"] for one in health["handlers"]}
    assert counts == {"web": 0, "web_push": 1, "email": 0, "apn": 0}, json.dumps(health)
