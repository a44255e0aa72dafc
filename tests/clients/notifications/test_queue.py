"""Direct messages that wait in the outbox: `"queue": true`."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixtures.apns import KEY_ID, TEAM_ID, TOPIC, Apns, new_key
from fixtures.app import App
from fixtures.mail import MailServer
from fixtures.push_service import PushService
from fixtures.receiver import Receiver
from fixtures.server import Server
from fixtures.targets import logged, until_logged

KEY = new_key()
APPLE = {"apn_key": KEY, "apn_key_id": KEY_ID, "apn_team_id": TEAM_ID, "apn_topic": TOPIC}
SENDER = "shop@shop.example"
TOKEN = "0af9" * 16


@pytest.fixture
def apple() -> Iterator[Apns]:
    """Apple's push service."""
    listening = Apns(KEY)
    yield listening
    listening.close()


@pytest.fixture
def app(launch: Callable[..., Server], apple: Apns, mail: MailServer) -> Iterator[App]:
    """An app with all credentials."""
    server = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1, PUSHI_CONTACT="ops@shop.example", PUSHI_APNS_URL=apple.url)
    fresh = server.create_app()
    fresh.configure(**APPLE, smtp_url=f"smtp://127.0.0.1:{mail.port}?sender={SENDER}")
    fresh.rest.post(f"/apps/{fresh.ident}/vapid")
    yield fresh
    fresh.close()


def queue(app: App, route: str, **body: Any) -> str:
    """Queues a message; returns its id."""
    answer = app.rest.post(f"/messaging/{route}", json={**body, "queue": True})
    assert answer.status_code == 202, answer.text
    queued = answer.json()
    assert sorted(queued) == ["id", "result"] and queued["result"] == "queued"
    assert re.fullmatch("[0-9a-f]{32}", queued["id"])
    return queued["id"]


def test_each_kind_is_sent(app: App, receiver: Receiver, browser: PushService, mail: MailServer, apple: Apns) -> None:
    hooked = queue(app, "webhook", url=receiver.url, data={"b": 1, "a": 2.0}, headers={"X-Shop": "17"})
    call = receiver.call()
    assert call.body == '{"b":1,"a":2.0}'
    assert (call.headers["x-shop"], call.headers["x-pushi-event-id"], call.headers["x-pushi-attempt"]) == (
        "17",
        hooked,
        "1",
    )
    queue(app, "web_push", subscriptions=[browser.subscription], message={"title": "T", "ttl": 60})
    delivered = browser.message()
    assert (json.loads(delivered.payload), delivered.headers["ttl"]) == ({"title": "T"}, "60")
    queue(app, "email", to="ann@shop.example", subject="S", body="B", html="<p>H</p>")
    received = mail.next()
    assert (received.mail["Subject"], received.text.strip(), received.html.strip()) == ("S", "B", "<p>H</p>")
    assert "List-Unsubscribe" not in received.mail
    queue(app, "apn", tokens=[TOKEN], message={"aps": {"alert": "A"}, "headers": {"apns-collapse-id": "c"}})
    push = apple.next()
    assert (push.body, push.headers["apns-collapse-id"]) == ({"aps": {"alert": "A"}}, "c")
    for kind in ("web", "web_push", "email", "apn"):
        entry = until_logged(app, kind, "done")
        assert (entry["event"], entry["attempts"]) == ("direct message", 1)
    assert "ann@" not in json.dumps(logged(app))
    metrics = app.rest.get(f"{app.server.url}/metrics").text
    for kind in ("web", "web_push", "email", "apn"):
        assert f'pushi_direct_messages_total{{kind="{kind}",outcome="delivered"}} 1\n' in metrics
    assert "pushi_notifications_total" not in metrics


def test_several_adapters_share_an_id(app: App, receiver: Receiver, mail: MailServer) -> None:
    body = {
        "adapters": ["WEB", "smtp"],
        "data": {"a": 1},
        "webhook_urls": [receiver.url],
        "email_to": ["ann@shop.example"],
    }
    hooked = queue(app, "send", **body)
    call = receiver.call()
    assert (call.body, call.headers["x-pushi-event-id"]) == ('{"a":1}', hooked)
    received = mail.next()
    assert (received.mail["Subject"], received.text.strip()) == ("Notification", '{\n  "a": 1\n}')
    # The same can be sent again.
    assert queue(app, "send", **body) != hooked
    assert receiver.call().body == '{"a":1}'


def test_a_message_is_kept_and_retried(app: App, receiver: Receiver) -> None:
    port = receiver.port
    receiver.close()
    hooked = queue(app, "webhook", urls=[f"http://127.0.0.1:{port}/hook"], data="d")
    failed = until_logged(app, "web", "waiting", "failed")
    assert failed["attempts"] >= 1
    app.server.kill()
    again = Receiver(port)
    try:
        app.server.start()
        call = again.call(60)
        assert (call.body, call.headers["x-pushi-event-id"]) == ("d", hooked)
        assert int(call.headers["x-pushi-attempt"]) >= 2
    finally:
        again.close()


def test_what_cannot_be_queued_is_refused(app: App, receiver: Receiver, browser: PushService) -> None:
    web = {"url": receiver.url, "data": "d"}
    push = {"endpoint": receiver.url, "p256dh": browser.subscription["p256dh"], "auth": browser.subscription["auth"]}
    email = {"to": "ann@shop.example", "subject": "S", "body": "B"}
    apn = {"tokens": [TOKEN], "message": "m"}
    for route, body, reason in (
        ("webhook", {**web, "queue": "yes"}, "queue must be true or false"),
        ("webhook", {"data": "d"}, "No webhook URL specified"),
        ("web_push", {**push, "vapid_private_key": KEY}, "vapid_private_key cannot be given with queue"),
        ("web_push", {**push, "vapid_email": "a@shop.example"}, "vapid_email cannot"),
        ("email", {**email, "smtp_host": "mail.example"}, "smtp_host cannot"),
        ("email", {**email, "to": ["ann@shop.example", "x y"]}, "the recipient"),
        ("apn", {**apn, "key_data": KEY}, "key_data cannot"),
        ("apn", {**apn, "tokens": ["xyz"]}, "the device token must be"),
        ("send", {"adapters": ["webhook", "zzz"], "webhook_urls": [receiver.url]}, "Unknown adapter: zzz"),
        ("send", {"adapters": ["email"], "webhook_urls": [receiver.url]}, "nothing to queue"),
    ):
        answer = app.rest.post(f"/messaging/{route}", json={"queue": True, **body})
        assert answer.status_code == 400, (route, answer.text)
        assert reason in answer.json()["message"]
    assert logged(app) == []
    # Without it they are sent at once.
    assert app.rest.post("/messaging/webhook", json={**web, "queue": False}).json()["success"]
    assert receiver.call().body == "d"


def test_the_outbox_is_bounded(launch: Callable[..., Server]) -> None:
    app = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1, PUSHI_MAX_OUTBOX_BYTES=20_000).create_app()
    body = {"url": "http://127.0.0.1:1/", "data": "x" * 6_000, "queue": True}
    answers = [app.rest.post("/messaging/webhook", json=body) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    assert "PUSHI_MAX_OUTBOX_BYTES" in answers[-1].json()["message"]
    app.close()


def test_without_handlers_nothing_is_queued(launch: Callable[..., Server], receiver: Receiver) -> None:
    app = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1, PUSHI_HANDLERS=0).create_app()
    answer = app.rest.post("/messaging/webhook", json={"url": receiver.url, "data": "d", "queue": True})
    assert answer.status_code == 400 and "PUSHI_HANDLERS" in answer.json()["message"]
    assert app.rest.post("/messaging/webhook", json={"url": receiver.url, "data": "d"}).json()["success"]
    app.close()
