"""An app of the server under test: signed requests, and sockets that speak protocol 7 of Pusher Channels."""

import hashlib
import hmac
import http.client
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from receiver import Receiver

Frame = dict[str, Any]
Query = dict[str, str]


def sign(secret: str, text: str) -> str:
    """Lower-case hex of HMAC-SHA256."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


@dataclass
class Answer:
    """An HTTP response."""

    status: int
    type: str
    text: str

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.text)


@dataclass
class App:
    """The server's address, and the app under test."""

    api: str
    sockets_url: str
    ident: str
    key: str
    secret: str
    seconds: float = 5.0
    sockets: list["Socket"] = field(default_factory=list)
    count: int = 0
    receiver: Receiver | None = None

    def name(self, prefix: str = "") -> str:
        """An unused channel name."""
        self.count += 1
        return f"{prefix}conformance-{int(time.time() * 1000)}-{self.count}"

    def ask(self, method: str, path: str, body: Any = None, query: Query | None = None, **options: Any) -> Answer:
        """A signed request below `/apps/<id>`.

        Options: `secret`, `ident`, `text` (the body as it is), `drop` (a parameter that is left out), `unsigned`
        (parameters that are put in after signing), `to` (an open connection).
        """
        text = options.get("text", "" if body is None else json.dumps(body))
        path = f"/apps/{options.get('ident', self.ident)}{path}"
        given = {"auth_key": self.key, "auth_timestamp": str(int(time.time())), "auth_version": "1.0"}
        if text:
            given["body_md5"] = hashlib.md5(text.encode()).hexdigest()
        given.update(query or {})
        given.pop(options.get("drop", ""), None)
        signed = "&".join(f"{name}={given[name]}" for name in sorted(given))
        if options.get("drop") != "auth_signature":
            given["auth_signature"] = sign(options.get("secret", self.secret), f"{method}\n{path}\n{signed}")
        given.update(options.get("unsigned", {}))
        target = f"{path}?" + "&".join(f"{name}={quote(value)}" for name, value in given.items())
        line = options.get("to") or self.line()
        line.request(method, target, text or None, {"Content-Type": "application/json"} if text else {})
        answer = line.getresponse()
        return Answer(answer.status, answer.headers.get("Content-Type", ""), answer.read().decode())

    def line(self) -> http.client.HTTPConnection:
        """A connection to the HTTP API."""
        parts = urlsplit(self.api)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=self.seconds)

    def get(self, path: str, **query: str) -> Any:
        """The JSON response of a GET, which must be 200."""
        answer = self.ask("GET", path, query=query)
        assert answer.status == 200, f"{answer.status} {answer.text}"
        return answer.json

    def post(self, path: str, body: Any) -> Any:
        """The JSON response of a POST, which must be 200."""
        answer = self.ask("POST", path, body)
        assert answer.status == 200, f"{answer.status} {answer.text}"
        return answer.json

    def refused(self, status: int, *given: Any, **options: Any) -> str:
        """Checks the status of the response; returns its text."""
        answer = self.ask(*given, **options)
        assert answer.status == status, f"{answer.status} in place of {status}: {answer.text[:200]}"
        return answer.text

    def trigger(self, channel: str, event: str, data: str = "x", **members: Any) -> Any:
        """Publishes an event."""
        return self.post("/events", {"name": event, "channels": [channel], "data": data, **members})

    def auth(self, text: str) -> str:
        """The authorization that a back end returns for `text`."""
        return f"{self.key}:{sign(self.secret, text)}"

    def open(self, query: str = "protocol=7&client=conformance&version=1.0", key: str = "") -> "Socket":
        """A socket that has not read anything yet."""
        socket = Socket(self, f"{self.sockets_url}/app/{key or self.key}?{query}")
        self.sockets.append(socket)
        return socket

    def connect(self) -> "Socket":
        """A socket that has received the greeting."""
        socket = self.open()
        socket.id = json.loads(socket.expect("pusher:connection_established")["data"])["socket_id"]
        return socket

    def on(self, channel: str, **options: Any) -> "Socket":
        """A socket that is subscribed to a channel."""
        socket = self.connect()
        socket.subscribe(channel, **options)
        return socket

    def signed_in(self, user: str, **members: Any) -> "Socket":
        """A socket that is signed in."""
        socket = self.connect()
        socket.sign_in({"id": user, **members})
        socket.expect("pusher:signin_success")
        return socket

    def close_sockets(self) -> None:
        """Closes what a rule has opened."""
        for socket in self.sockets:
            socket.raw.close()
        self.sockets.clear()


class Socket:
    """A connection. Unrequested frames (subscription counts, pings) are skipped."""

    def __init__(self, app: App, url: str) -> None:
        self.app = app
        self.id = ""
        self.raw = connect(
            url, open_timeout=app.seconds, close_timeout=1, ping_interval=None, max_size=None, proxy=None
        )

    def send(self, event: str, data: Any = None, **members: Any) -> None:
        """Sends a frame."""
        self.raw.send(json.dumps({"event": event, "data": {} if data is None else data, **members}))

    def frame(self, seconds: float = 0) -> Frame:
        """The next frame, whatever it is."""
        return json.loads(self.raw.recv(timeout=seconds or self.app.seconds))

    def expect(self, event: str, channel: str = "", seconds: float = 0) -> Frame:
        """The next frame of this name, and on this channel where one is named."""
        try:
            while True:
                frame = self.frame(seconds)
                if frame["event"] == event and channel in ("", frame.get("channel")):
                    return frame
                if frame["event"] == "pusher:error" and event != "pusher:ping":
                    raise AssertionError(f"{frame['data']} in place of {event}")
        except TimeoutError:
            raise AssertionError(f"no {event} came") from None
        except ConnectionClosed as end:
            raise AssertionError(f"closed ({end}) before {event} came") from None

    def data(self, event: str, channel: str = "") -> Any:
        """The data of such a frame, which must be JSON in a string."""
        data = self.expect(event, channel)["data"]
        assert isinstance(data, str), f"data of {event} is not a string: {data!r}"
        return json.loads(data)

    def heard(self) -> list[Frame]:
        """The frames received until the response to a ping: all that were sent before it."""
        self.send("pusher:ping")
        frames = []
        while (frame := self.frame())["event"] != "pusher:pong":
            frames.append(frame)
        return frames

    def silent(self, event: str) -> None:
        """Checks that no frame of this name was received."""
        assert event not in [frame["event"] for frame in self.heard()], f"{event} came"

    def error(self, code: int) -> None:
        """Waits for an error with this code."""
        try:
            while (frame := self.frame())["event"] != "pusher:error":
                pass
        except TimeoutError:
            raise AssertionError(f"no error {code} came") from None
        assert frame["data"]["code"] == code, f"{frame['data']} in place of {code}"

    def closed(self, code: int, seconds: float = 0) -> None:
        """The server must close the connection with this code."""
        try:
            while True:
                self.frame(seconds)
        except TimeoutError:
            raise AssertionError(f"not closed with {code}") from None
        except ConnectionClosed as end:
            got = end.rcvd.code if end.rcvd else None
            assert got == code, f"closed with {got} in place of {code}"

    def ask(self, channel: str, channel_data: Any = None, auth: str | None = None, **members: Any) -> None:
        """Sends a subscription, signed if the channel requires it."""
        data: dict[str, Any] = {"channel": channel, **members}
        text = f"{self.id}:{channel}"
        if channel_data is not None:
            data["channel_data"] = channel_data if isinstance(channel_data, str) else json.dumps(channel_data)
            text += f":{data['channel_data']}"
        signed = channel.startswith(("private-", "presence-", "personal-"))
        data["auth"] = auth if auth is not None else self.app.auth(text) if signed else ""
        self.send("pusher:subscribe", data)

    def subscribe(self, channel: str, **options: Any) -> Any:
        """Subscribes; returns the data of the response."""
        self.ask(channel, **options)
        return self.data("pusher_internal:subscription_succeeded", channel)

    def refused(self, channel: str, **options: Any) -> Any:
        """Checks that the subscription is rejected on the channel; returns the reason."""
        self.ask(channel, **options)
        data = self.expect("pusher:subscription_error", channel)["data"]
        assert isinstance(data, dict), f"data of the error is not an object: {data!r}"
        return data

    def sign_in(self, user_data: Any, auth: str | None = None) -> None:
        """Sends a sign-in."""
        text = json.dumps(user_data)
        self.send("pusher:signin", {"auth": auth or self.app.auth(f"{self.id}::user::{text}"), "user_data": text})
