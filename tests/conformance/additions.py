"""Pushi's additions for unmodified clients: personal channels, stored events, `since`.

The app's `replay` must name `replayed-`.
"""

from app import App
from rules import rule

SECTION = "additions"


@rule(SECTION, "personal-<id> takes the user that the socket is signed in as, or a signature", "pushi")
def personal(app: App) -> None:
    user = app.name()
    app.signed_in(user).subscribe(f"personal-{user}", auth="")
    app.connect().subscribe(f"personal-{user}")
    app.connect().refused(f"personal-{user}", auth="")


@rule(SECTION, "where replay names the channel, the newest events follow the subscription, in order", "pushi")
def replay(app: App) -> None:
    channel = app.name("replayed-")
    for number in range(3):
        app.trigger(channel, "e", str(number))
    socket = app.on(channel)
    frames = [socket.expect("e", channel) for _ in range(3)]
    assert [frame["data"] for frame in frames] == ["0", "1", "2"], frames
    assert [frame["serial"] for frame in frames] == [1, 2, 3], frames
    assert all(frame["mid"] and frame["timestamp"] for frame in frames), frames


@rule(SECTION, "elsewhere nothing is stored, and events carry no serial", "pushi")
def not_stored(app: App) -> None:
    channel = app.name()
    socket = app.on(channel)
    app.trigger(channel, "e")
    assert "serial" not in socket.expect("e", channel)
    app.on(channel).silent("e")


@rule(SECTION, "since brings what followed a serial", "pushi")
def since(app: App) -> None:
    channel = app.name("replayed-")
    for number in range(3):
        app.trigger(channel, "e", str(number))
    socket = app.connect()
    answer = socket.subscribe(channel, since=1)
    assert (answer["recovered"], answer["serial"]) == (True, 3), answer
    assert [socket.expect("e", channel)["data"] for _ in range(2)] == ["1", "2"]
