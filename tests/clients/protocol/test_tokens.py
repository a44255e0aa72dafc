"""Tokens of users, made by PyPI `pyjwt`, and attacks on them."""

import base64
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from fixtures.app import App
from fixtures.sockets import Socket


def claims(**more: Any) -> dict[str, Any]:
    """Claims of a token for an hour."""
    return {"sub": "ann", "channels": ["private-a"], "exp": int(time.time()) + 3600, **more}


def present(app: App, token: str) -> Socket:
    """A socket that presented a token."""
    socket = app.connect()
    socket.send("pusher:token", {"token": token})
    return socket


def accepted(app: App, token: str) -> Socket:
    """A socket that is subscribed by a token."""
    socket = present(app, token)
    assert socket.data("pusher_internal:token_accepted")["user_id"] == "ann"
    socket.send("pusher:subscribe", {"channel": "private-a"})
    socket.expect("pusher_internal:subscription_succeeded", "private-a")
    return socket


def refused(app: App, token: str) -> str:
    """The reason for which a token is refused; the connection stays, and has nothing by it."""
    socket = present(app, token)
    reason = socket.error(4009, "pusher:token")["message"]
    socket.send("pusher:subscribe", {"channel": "private-a"})
    socket.error(4009, "pusher:subscribe", "private-a")
    return reason


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_hs256_with_the_secret(app: App) -> None:
    socket = accepted(app, jwt.encode(claims(), app.secret, "HS256"))
    app.publish("private-a", "hello")
    assert socket.expect("message", "private-a")["data"] == "hello"
    assert "signature" in refused(app, jwt.encode(claims(), "x" * 64, "HS256"))


def keys() -> list[tuple[str, Any]]:
    """Private keys by their algorithms."""
    return [
        ("RS256", rsa.generate_private_key(65537, 2048)),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ]


def test_public_keys_of_the_app(app: App) -> None:
    pairs = keys()
    published = []
    for algorithm, key in pairs:
        entry = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
        published.append({**entry, "kid": algorithm})
    for algorithm, key in pairs:
        assert "token_keys" in refused(app, jwt.encode(claims(), key, algorithm))
    app.configure(token_keys={"keys": published})
    for algorithm, key in pairs:
        accepted(app, jwt.encode(claims(), key, algorithm, headers={"kid": algorithm}))
        accepted(app, jwt.encode(claims(), key, algorithm))
        refused(app, jwt.encode(claims(), key, algorithm, headers={"kid": "another"}))
    # What everybody knows is no secret: HS256 with a public key.
    for entry in published:
        refused(app, jwt.encode(claims(), entry.get("n") or entry["x"], "HS256"))
    app.configure(reset=["token_keys"])
    refused(app, jwt.encode(claims(), pairs[1][1], "ES256"))


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_attacks(app: App) -> None:
    other_app = app.server.create_app()
    now = int(time.time())
    for token, reason in [
        (jwt.encode(claims(), None, "none"), "algorithm"),
        (jwt.encode(claims(), app.secret, "HS512"), "algorithm"),
        (jwt.encode(claims(exp=now - 60), app.secret, "HS256"), "expired"),
        (jwt.encode(claims(exp=now + 90_000), app.secret, "HS256"), "exp"),
        (jwt.encode({"sub": "ann", "channels": ["private-a"]}, app.secret, "HS256"), "exp is missing"),
        (jwt.encode(claims(app=other_app.ident), app.secret, "HS256"), "another app"),
        (jwt.encode(claims(), other_app.secret, "HS256"), "signature"),
        (jwt.encode(claims(channels="private-a"), app.secret, "HS256"), "list"),
    ]:
        message = refused(app, token)
        assert reason in message, message
        assert token not in message
    good = jwt.encode(claims(app=app.ident), app.secret, "HS256")
    head, _, signature = good.split(".")
    other = base64.urlsafe_b64encode(json.dumps(claims(channels=["*"])).encode()).rstrip(b"=").decode()
    refused(app, f"{head}.{other}.{signature}")
    accepted(app, good)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_prefixes_and_other_users(app: App) -> None:
    token = jwt.encode(claims(channels=["private-a*", "personal-*", "*-b"]), app.secret, "HS256")
    socket = accepted(app, token)
    for channel in ("private-ab", "personal-ann"):
        socket.send("pusher:subscribe", {"channel": channel})
        socket.expect("pusher_internal:subscription_succeeded", channel)
    for channel in ("private-b", "presence-a", "personal-bob"):
        socket.send("pusher:subscribe", {"channel": channel})
        socket.error(4009, "pusher:subscribe", channel)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_the_log_has_no_token(app: App) -> None:
    token = jwt.encode(claims(app=app.key), app.secret, "HS256")
    socket = app.open_at(f"{app.server.ws_url}/{app.key}?token={token}")
    socket.greet()
    assert socket.data("pusher_internal:token_accepted")["user_id"] == "ann"
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{app.server.url}/events"
    for channel, status in (("private-a", 200), ("private-b", 403)):
        answer = httpx.get(url, params={"channel": channel}, headers=headers, trust_env=False)
        assert answer.status_code == status, answer.text
    assert token not in app.server.log
