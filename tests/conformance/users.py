"""Users who are signed in."""

import json
from collections.abc import Callable

from app import App
from rules import rule

SECTION = "users"


@rule(SECTION, "pusher:signin is answered with user_data as it was sent")
def sign_in(app: App) -> None:
    socket = app.connect()
    user = {"id": "ann", "user_info": {"name": "Ann"}}
    socket.sign_in(user)
    assert socket.data("pusher:signin_success") == {"user_data": json.dumps(user)}


def refused(text: str, user: object, auth: Callable[[App], str | None] = lambda app: None) -> None:
    @rule(SECTION, f"{text} is closed with 4009")
    def sign_in_refused(app: App) -> None:
        socket = app.connect()
        socket.sign_in(user, auth(app))
        socket.closed(4009)


refused("a sign-in with a wrong signature", {"id": "ann"}, lambda app: f"{app.key}:{'0' * 64}")
refused("a sign-in without an id", {"name": "ann"})
refused("a sign-in whose id is empty", {"id": ""})


@rule(SECTION, "#server-to-user-<id> is heard by that user alone")
def own_channel(app: App) -> None:
    user = app.name()
    channel = f"#server-to-user-{user}"
    socket = app.signed_in(user)
    socket.subscribe(channel)
    app.trigger(channel, "e", "hello")
    assert socket.expect("e", channel)["data"] == "hello"
    app.signed_in("somebody else").refused(channel)
    app.connect().refused(channel)


@rule(SECTION, "a watchlist is told who is online and offline, and again when one comes or goes")
def watchlist(app: App) -> None:
    here, away = app.name(), app.name()
    app.signed_in(here)
    socket = app.signed_in(app.name(), watchlist=[here, away])
    events = socket.data("pusher_internal:watchlist_events")["events"]
    told = {event["name"]: event["user_ids"] for event in events}
    assert told == {"online": [here], "offline": [away]}, told
    other = app.signed_in(away)
    online = socket.data("pusher_internal:watchlist_events")["events"]
    assert online == [{"name": "online", "user_ids": [away]}], online
    other.raw.close()
    offline = socket.data("pusher_internal:watchlist_events")["events"]
    assert offline == [{"name": "offline", "user_ids": [away]}], offline


@rule(SECTION, "a watchlist of more than 100 is told with 4302, and the connection stays")
def long_watchlist(app: App) -> None:
    socket = app.connect()
    socket.sign_in({"id": "ann", "watchlist": [f"u{number}" for number in range(101)]})
    socket.error(4302)
    socket.heard()


@rule(SECTION, "POST users/<id>/terminate_connections closes the user's sockets with 4009, and no others")
def terminate(app: App) -> None:
    user = app.name()
    sockets = [app.signed_in(user) for _ in range(2)]
    other = app.signed_in(app.name())
    assert app.post(f"/users/{user}/terminate_connections", {}) == {}
    for socket in sockets:
        socket.closed(4009)
    other.heard()
