"""PyPI `pusher`, the server library: all its calls, and their effects on clients."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pusher
import pytest
from pusher.errors import PusherBadAuth, PusherBadRequest, PusherBadStatus
from pusher.http import Request

from fixtures.app import App
from fixtures.server import Server
from fixtures.sockets import Socket


@dataclass
class House:
    """An app whose back end runs the library."""

    app: App
    backend: pusher.Pusher

    def connect(self) -> Socket:
        """A client of the Pusher dialect."""
        socket = self.app.open_at(f"{self.app.server.ws_url}/app/{self.app.key}?protocol=7&client=py&version=1.0")
        socket.greet()
        return socket

    def on(self, channel: str, user: Any = "ann") -> Socket:
        """A client that is subscribed to a channel with the library's signature."""
        socket = self.connect()
        signed: dict[str, Any] = {"auth": ""}
        if channel.startswith("presence-"):
            signed = self.backend.authenticate(channel, socket.id, {"user_id": user, "user_info": {"name": "Ann"}})
        elif channel.startswith("private-"):
            signed = {"auth": self.backend.authenticate(channel, socket.id)["auth"]}
        socket.send("pusher:subscribe", {"channel": channel, **signed})
        socket.expect("pusher_internal:subscription_succeeded", channel)
        return socket


def library(app: App, **changed: Any) -> pusher.Pusher:
    """The library, set up as its documentation shows."""
    # It accepts only digits as an app id.
    given = {"app_id": app.ident, "key": app.key, "secret": app.secret, **changed}
    return pusher.Pusher(**given, host="127.0.0.1", port=app.server.app_port, ssl=False)


@pytest.fixture
def house(server: Server) -> Iterator[House]:
    """An app with a numeric id on the shared server."""
    taken = server.admin.get("/apps").json()["apps"]
    app = server.create_app("of the library", ident=str(1000 + max((entry["id"] for entry in taken), default=0)))
    try:
        yield House(app, library(app))
    finally:
        app.close()


def test_trigger_reaches_subscribers(house: House) -> None:
    reader = house.on("news")
    assert house.backend.trigger("news", "e", {"some": "data"}) == {}
    assert json.loads(reader.expect("e", "news")["data"]) == {"some": "data"}
    assert house.backend.trigger(["news", "else"], "f", "text") == {}
    assert reader.expect("f", "news")["data"] == "text"


def test_trigger_leaves_the_named_socket_out(house: House) -> None:
    mine, theirs = house.on("private-a"), house.on("private-a")
    house.backend.trigger("private-a", "e", "x", socket_id=mine.id)
    theirs.expect("e", "private-a")
    mine.quiet()


def test_trigger_batch_keeps_its_order(house: House) -> None:
    reader = house.on("news")
    batch = [{"channel": "news", "name": f"e{number}", "data": number} for number in range(10)]
    assert house.backend.trigger_batch(batch) == {}
    for number in range(10):
        assert reader.expect(f"e{number}", "news")["data"] == str(number)


def test_channels_info_with_the_md5_of_nothing(house: House) -> None:
    assert house.backend.channels_info() == {"channels": {}}
    _readers = [house.on("news"), house.on("presence-a", 7), house.on("presence-a", "bo")]
    assert house.backend.channels_info() == {"channels": {"news": {}, "presence-a": {}}}
    assert house.backend.channels_info("presence-", ["user_count", "subscription_count"]) == {
        "channels": {"presence-a": {"user_count": 2, "subscription_count": 2}}
    }


def test_channel_info_and_users_info(house: House) -> None:
    _readers = [house.on("presence-a", 7), house.on("presence-a", "bo")]
    assert house.backend.channel_info("presence-a", ["user_count"]) == {"occupied": True, "user_count": 2}
    assert house.backend.channel_info("nobody") == {"occupied": False}
    assert house.backend.users_info("presence-a") == {"users": [{"id": "7"}, {"id": "bo"}]}


def test_users_are_sent_to_and_sent_away(house: House) -> None:
    socket = house.connect()
    signed = house.backend.authenticate_user(socket.id, {"id": "ann"})
    socket.send("pusher:signin", signed)
    socket.expect("pusher:signin_success")
    socket.send("pusher:subscribe", {"channel": "#server-to-user-ann", "auth": ""})
    socket.expect("pusher_internal:subscription_succeeded")
    house.backend.send_to_user("ann", "e", {"x": 1})
    assert json.loads(socket.expect("e", "#server-to-user-ann")["data"]) == {"x": 1}
    # `terminate_user_connections` leaves /apps/<app_id> out of its path, so this is what it would send.
    client = house.backend._pusher_client
    sent_away = Request(client, "POST", f"/apps/{house.app.ident}/users/ann/terminate_connections", {})
    assert client.http.send_request(sent_away) == {}
    assert socket.closed()[1] == 4009


def test_what_is_wrong_raises_what_the_library_has_for_it(house: House) -> None:
    with pytest.raises(PusherBadAuth, match="auth_signature"):
        library(house.app, secret="another").trigger("news", "e", "x")
    with pytest.raises(PusherBadAuth, match="auth_key"):
        library(house.app, key="another").channels_info()
    with pytest.raises(PusherBadStatus, match="no such app"):
        library(house.app, app_id="999999999").channels_info()
    with pytest.raises(PusherBadRequest, match="reserved"):
        house.backend.trigger("news", "pusher:x", "x")
    with pytest.raises(PusherBadRequest, match="presence-"):
        house.backend.channel_info("news", ["user_count"])


def test_encrypted_channels_pass_through(house: House) -> None:
    key = base64.b64encode(bytes(32)).decode()
    house.backend = library(house.app, encryption_master_key_base64=key)
    reader = house.on("private-encrypted-a")
    house.backend.trigger("private-encrypted-a", "e", {"secret": 1})
    sealed = json.loads(reader.expect("e", "private-encrypted-a")["data"])
    assert set(sealed) == {"nonce", "ciphertext"}
