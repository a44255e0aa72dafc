"""Direct messages with the original's client, PyPI `pushi`, unchanged; a browser is played by Python libraries."""

import hashlib
import hmac
import json
import subprocess
import time
from collections.abc import Callable

import appier
import pushi
import pytest

from fixtures.app import App
from fixtures.push_service import PushService
from fixtures.receiver import Receiver
from fixtures.server import BINARY, Server


@pytest.fixture
def app(launch: Callable[..., Server]) -> App:
    """An app on a server that may call private addresses."""
    server = launch(PUSHI_WEBHOOK_ALLOW_PRIVATE=1, PUSHI_CONTACT="ops@shop.example")
    return server.create_app()


@pytest.fixture
def api(app: App) -> pushi.API:
    """The original's client with the app's credentials."""
    return pushi.API(app_id=app.ident, app_key=app.key, app_secret=app.secret, base_url=f"{app.server.url}/")


def make_key(app: App, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `pushi app vapid` beside the server."""
    server = app.server
    return subprocess.run(
        [BINARY, "app", "vapid", app.ident, *arguments],
        cwd=server.folder,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_web_hook_gets_what_was_sent_and_a_signature(app: App, api: pushi.API, receiver: Receiver) -> None:
    sent = api.send_messaging_webhook([receiver.url], {"order": 17}, headers={"X-Source": "shop"})
    assert sent == {"success": True, "urls": [receiver.url], "method": "POST"}
    call = receiver.call()
    assert json.loads(call.body) == {"order": 17}
    assert call.headers["x-source"] == "shop"
    assert call.headers["x-pushi-key"] == app.key
    signature = dict(part.split("=") for part in call.headers["x-pushi-signature"].split(","))
    assert abs(int(signature["t"]) - time.time()) < 60
    signed = f"{signature['t']}.{call.body}".encode()
    assert signature["v1"] == hmac.new(app.secret.encode(), signed, hashlib.sha256).hexdigest()
    receiver.status = 500
    sent = api.send_messaging_webhook(receiver.url, "text")
    assert (sent["success"], sent["urls"], len(sent["failed"])) == (False, [], 1)
    assert receiver.call().body == "text"


def test_a_browser_reads_what_was_sent(app: App, api: pushi.API, browser: PushService) -> None:
    with pytest.raises(appier.exceptions.HTTPError) as missing:
        api.get_vapid_public_key()
    assert missing.value.code == 404
    failed = api.send_messaging_web_push("hello", **browser.subscription)
    assert (failed["success"], failed["error"]) == (False, "VAPID private key not configured")
    made = make_key(app)
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert api.get_vapid_public_key() == {"vapid_public_key": key}
    # The client escapes what is not ASCII, and the text travels as it was sent.
    greeting = '{"title":"Gr\\u00fc\\u00dfe"}'
    for message, payload in [("hello", "hello"), ({"title": "Grüße", "ttl": 60}, greeting), (None, "{}")]:
        sent = api.send_messaging_web_push(message, subscriptions=[browser.subscription])
        assert sent == {"success": True, "endpoints": [browser.endpoint]}
        delivered = browser.message()
        assert delivered.payload.decode() == payload
        assert (delivered.key, delivered.claims["sub"]) == (key, "mailto:ops@shop.example")
    longest = "x" * 3993
    api.send_messaging_web_push(longest, **browser.subscription)
    assert browser.message().payload == longest.encode()
    again = make_key(app)
    assert again.returncode != 0 and "replace" in again.stderr
    assert api.get_vapid_public_key() == {"vapid_public_key": key}
    replaced = make_key(app, "--replace")
    assert replaced.returncode == 0 and replaced.stdout.strip() != key


def test_several_adapters_send_one_message(app: App, api: pushi.API, browser: PushService, receiver: Receiver) -> None:
    made = app.rest.post(f"/apps/{app.ident}/vapid").json()
    sent = api.send_messaging(
        ["webhook", "web_push", "zzz"],
        data={"order": 17},
        webhook_urls=[receiver.url],
        web_push_subscriptions=[browser.subscription],
    )
    assert sent == {
        "webhook": {"success": True, "urls": [receiver.url], "method": "POST"},
        "web_push": {"success": True, "endpoints": [browser.endpoint]},
        "zzz": {"success": False, "error": "Unknown adapter: zzz"},
    }
    assert receiver.call().body == '{"order":17}'
    delivered = browser.message()
    assert (delivered.payload, delivered.key) == (b'{"order":17}', made["vapid_public_key"])
    browser.status = 410
    sent = api.send_messaging("webpush", data="x", web_push_subscriptions=[browser.subscription])
    assert sent["web_push"]["failed"] == [{"target": browser.endpoint, "error": "answered 410 Gone"}]


def test_private_addresses_are_refused_by_default(
    launch: Callable[..., Server], browser: PushService, receiver: Receiver
) -> None:
    app = launch().create_app()
    api = pushi.API(app_id=app.ident, app_key=app.key, app_secret=app.secret, base_url=f"{app.server.url}/")
    app.rest.post(f"/apps/{app.ident}/vapid")
    sent = api.send_messaging_webhook(receiver.url, "x")
    assert not sent["success"] and "private network" in sent["error"]
    sent = api.send_messaging_web_push("x", vapid_email="ann@shop.example", **browser.subscription)
    assert not sent["success"] and "private network" in sent["error"]
    assert receiver.calls.empty() and browser.delivered.empty()
    log = app.server.log
    assert receiver.url not in log and browser.endpoint not in log
