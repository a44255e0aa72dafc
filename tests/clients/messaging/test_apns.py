"""Direct messages to Apple devices, by a small push service that checks tokens and certificates."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec

from fixtures.apns import KEY_ID, TEAM_ID, TOPIC, Apns, new_key, prepared
from fixtures.app import App
from fixtures.problem import problem
from fixtures.server import Server

DEVICES = ["a1" * 32, "b2" * 32, "c3" * 32]
KEY = new_key()
TOKEN_IDENTITY = {"apn_key": KEY, "apn_key_id": KEY_ID, "apn_team_id": TEAM_ID, "apn_topic": TOPIC}


@pytest.fixture
def push_service() -> Iterator[Callable[..., Apns]]:
    """Starts push services."""
    running: list[Apns] = []

    def start(*arguments: Any, **options: Any) -> Apns:
        running.append(Apns(*arguments, **options))
        return running[-1]

    yield start
    for one in running:
        one.close()


def send(app: App, tokens: Any, message: Any = "hi", **body: Any) -> dict[str, Any]:
    """Sends a message directly; returns the answer."""
    answer = app.rest.post("/messaging/apn", json={"tokens": tokens, "message": message, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_key_signs_tokens(launch: Callable[..., Server], push_service: Callable[..., Apns]) -> None:
    apple = push_service(KEY)
    app = launch(PUSHI_APNS_URL=apple.url).create_app(settings=TOKEN_IDENTITY)
    assert send(app, DEVICES) == {"success": True, "tokens": DEVICES}
    pushes = [apple.next() for _ in DEVICES]
    assert {push.token for push in pushes} == set(DEVICES)
    for push in pushes:
        assert push.body == {"aps": {"alert": "hi", "sound": "default", "badge": 0}}
        assert push.headers["apns-topic"] == TOPIC
        assert push.headers["apns-push-type"] == "alert"
    assert send(app, DEVICES[0])["success"]
    apple.next()
    # One token and one connection for all.
    assert (len(apple.tokens), apple.connections) == (1, 1)
    app.close()


def test_headers_and_payload_of_the_message(launch: Callable[..., Server], push_service: Callable[..., Apns]) -> None:
    apple = push_service(KEY)
    app = launch(PUSHI_APNS_URL=apple.url).create_app(settings=TOKEN_IDENTITY)
    headers = {
        "apns-push-type": "background",
        "apns-priority": 5,
        "apns-expiration": 1_900_000_000,
        "apns-collapse-id": "order-17",
        "apns-topic": "com.example.other",
    }
    payload = {"aps": {"content-available": 1}, "order": 17}
    assert send(app, DEVICES[0], {**payload, "headers": headers})["success"]
    push = apple.next()
    assert push.body == payload
    assert {name: push.headers[name] for name in headers} == {name: str(value) for name, value in headers.items()}
    for bad in ({"x": "y"}, {"apns-priority": 7}, {"apns-collapse-id": "a\r\nb"}):
        body = {"tokens": DEVICES, "message": {"aps": {}, "headers": bad}}
        assert "apn header" in problem(app.rest.post("/messaging/apn", json=body), 400)["message"]
    app.close()


def test_apples_refusals(launch: Callable[..., Server], push_service: Callable[..., Apns]) -> None:
    apple = push_service(KEY)
    app = launch(PUSHI_APNS_URL=apple.url).create_app(settings=TOKEN_IDENTITY)
    apple.answers = {
        DEVICES[0]: [prepared(410, "Unregistered")],
        DEVICES[1]: [prepared(429, "TooManyRequests", retry_after=7)],
        # An expired token is renewed once.
        DEVICES[2]: [prepared(403, "ExpiredProviderToken")],
    }
    answer = send(app, DEVICES)
    assert (answer["success"], answer["tokens"]) == (False, [DEVICES[2]])
    errors = {entry["target"]: entry["error"] for entry in answer["failed"]}
    assert "410 Unregistered" in errors[DEVICES[0]] and "429 TooManyRequests" in errors[DEVICES[1]]
    assert len(apple.tokens) == 2
    apple.answers = {DEVICES[0]: [prepared(403, "ExpiredProviderToken")] * 3}
    assert "ExpiredProviderToken" in send(app, DEVICES[0])["failed"][0]["error"]
    assert len(apple.answers[DEVICES[0]]) == 1
    app.close()


def test_a_key_that_apple_does_not_know(launch: Callable[..., Server], push_service: Callable[..., Apns]) -> None:
    apple = push_service(new_key())
    server = launch(PUSHI_APNS_URL=apple.url)
    app = server.create_app(settings=TOKEN_IDENTITY)
    answer = send(app, DEVICES[0])
    assert "InvalidProviderToken" in answer["failed"][0]["error"]
    assert DEVICES[0] not in server.log and "PRIVATE KEY" not in server.log
    app.close()


def test_a_certificate_identifies_an_app(
    launch: Callable[..., Server], push_service: Callable[..., Apns], tmp_path: Path
) -> None:
    authority, clients = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2"])
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("localhost").configure_cert(context)
    clients.configure_trust(context)
    apple = push_service(context=context)
    app = launch(PUSHI_APNS_URL=apple.url, SSL_CERT_FILE=tmp_path / "ca.pem").create_app()
    assert send(app, DEVICES[0])["error"] == "No APN key defined"

    def identity(of: trustme.CA) -> tuple[str, str]:
        made = of.issue_cert("shop.example")
        return made.private_key_pem.bytes().decode(), made.cert_chain_pems[0].bytes().decode()

    key, cer = identity(clients)
    app.configure(apn_key=key, apn_cer=cer)
    assert send(app, DEVICES[0]) == {"success": True, "tokens": [DEVICES[0]]}
    push = apple.next()
    assert "authorization" not in push.headers
    assert send(app, DEVICES[0])["success"]
    assert apple.next().connection == push.connection
    key, cer = identity(trustme.CA())
    answer = send(app, DEVICES[0], key_data=key, cer_data=cer)
    assert answer["success"] is False and "certificate" in answer["failed"][0]["error"], answer
    app.close()


def test_a_service_that_is_not_there(launch: Callable[..., Server]) -> None:
    app = launch(PUSHI_APNS_URL="http://127.0.0.1:1").create_app(settings=TOKEN_IDENTITY)
    answer = send(app, DEVICES[0])
    assert answer["success"] is False and answer["tokens"] == []
    assert "failed" in answer["failed"][0]["error"]
    app.close()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"message": "hi"}, "No device tokens specified"),
        ({"tokens": [], "message": "hi"}, "No device tokens specified"),
        ({"tokens": 7, "message": "hi"}, "tokens must be"),
        ({"tokens": DEVICES}, "No message specified"),
        ({"tokens": DEVICES, "message": ""}, "No message specified"),
        ({"tokens": DEVICES, "message": "hi", "sandbox": "maybe"}, "sandbox"),
        ({"tokens": DEVICES, "message": "hi", "key_data": "key"}, "key_data"),
        ({"tokens": DEVICES, "message": "hi", "key_data": new_key(ec.SECP384R1())}, "P-256"),
        ({"tokens": DEVICES, "message": "hi", "cer_data": KEY}, "cer_data"),
    ],
)
def test_a_body_that_cannot_be_understood_is_400(app: App, body: dict[str, Any], reason: str) -> None:
    assert reason in problem(app.rest.post("/messaging/apn", json=body), 400)["message"]


def test_a_token_that_is_none_fails_alone(launch: Callable[..., Server], push_service: Callable[..., Apns]) -> None:
    apple = push_service(KEY)
    app = launch(PUSHI_APNS_URL=apple.url).create_app(settings=TOKEN_IDENTITY)
    answer = send(app, ["../../x", DEVICES[0]])
    assert (answer["success"], answer["tokens"]) == (False, [DEVICES[0]])
    assert answer["failed"][0]["target"] == "../../x"
    assert apple.next().token == DEVICES[0]
    app.close()
