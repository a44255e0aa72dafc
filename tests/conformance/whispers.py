"""Client events."""

from app import App, Socket
from rules import rule

SECTION = "client events"


def two(app: App, prefix: str) -> tuple[str, Socket, Socket]:
    """A channel and two sockets subscribed to it."""
    channel = app.name(prefix)
    sockets = [
        app.on(channel, channel_data={"user_id": user} if prefix == "presence-" else None) for user in ("1", "2")
    ]
    return channel, sockets[0], sockets[1]


@rule(SECTION, "on a private channel they reach the others and not the sender, without user_id")
def private(app: App) -> None:
    channel, sender, other = two(app, "private-")
    sender.send("client-e", {"a": 1}, channel=channel)
    frame = other.expect("client-e", channel)
    assert "user_id" not in frame, frame
    sender.silent("client-e")


@rule(SECTION, "on a presence channel they carry the sender's user_id")
def presence(app: App) -> None:
    channel, sender, other = two(app, "presence-")
    sender.send("client-e", "text", channel=channel)
    frame = other.expect("client-e", channel)
    assert (frame["user_id"], frame["data"]) == ("1", "text"), frame


def nobody(text: str, prefix: str) -> None:
    @rule(SECTION, f"{text} they reach nobody")
    def refused(app: App) -> None:
        channel, sender, other = two(app, prefix)
        sender.send("client-e", {}, channel=channel)
        sender.heard()
        other.silent("client-e")


nobody("on a public channel", "")
nobody("on an encrypted channel", "private-encrypted-")


@rule(SECTION, "from a socket that is not on the channel they reach nobody")
def not_subscribed(app: App) -> None:
    channel, _, other = two(app, "private-")
    stranger = app.connect()
    stranger.send("client-e", {}, channel=channel)
    stranger.heard()
    other.silent("client-e")


@rule(SECTION, "an event whose name does not begin with client- reaches nobody")
def other_names(app: App) -> None:
    channel, sender, other = two(app, "private-")
    sender.send("e", {}, channel=channel)
    sender.heard()
    other.silent("e")


@rule(SECTION, "more than ten a second are told with 4301, and the connection stays")
def too_fast(app: App) -> None:
    channel, sender, _ = two(app, "private-")
    for _ in range(15):
        sender.send("client-e", {}, channel=channel)
    sender.error(4301)
    sender.heard()
