"""Presence channels: one list of members, joined by the first connection and left by the last."""

import json
from collections.abc import Callable

import pytest

from fixtures.app import App
from fixtures.sockets import Frame
from fixtures.waiting import wait_until

ROOM = "presence-room"


def member_of(frame: Frame) -> dict[str, object]:
    """The member of a frame: a JSON string next to the channel."""
    assert set(frame) == {"event", "channel", "member"}, frame
    assert isinstance(frame["member"], str)
    return json.loads(frame["member"])


def nothing_but(app: App, socket: object, channel: str = ROOM) -> None:
    """Checks that the next event on the channel is one that is published now."""
    app.publish(channel, "end", event="end", persist=False)
    assert socket.frame()["event"] == "end"  # type: ignore[attr-defined]


def test_the_answer_lists_every_member_with_its_channel_data(app: App) -> None:
    ann = {"user_id": "u1", "peer": True, "name": "Ann"}
    first = app.connect()
    assert first.subscribe(ROOM, channel_data=ann) == {"name": ROOM, "members": {"u1": ann}, "alias": [], "events": []}
    second = app.connect()
    answer = second.subscribe(ROOM, channel_data={"user_id": "u2", "name": "Bo"})
    assert answer["members"] == {"u1": ann, "u2": {"user_id": "u2", "name": "Bo"}}


def test_the_others_hear_who_comes_and_goes(app: App) -> None:
    ann = app.member(ROOM, "u1")
    bo = app.member(ROOM, "u2", name="Bo")
    joined = ann.expect("pusher:member_added", ROOM)
    assert member_of(joined) == {"user_id": "u2", "name": "Bo"}
    bo.quiet()
    bo.unsubscribe(ROOM)
    assert member_of(ann.expect("pusher:member_removed", ROOM)) == {"user_id": "u2", "name": "Bo"}
    bo.quiet()


@pytest.mark.parametrize("end", ["leave", "abort"])
def test_a_connection_that_ends_leaves(app: App, end: str) -> None:
    ann = app.member(ROOM, "u1")
    bo = app.member(ROOM, "u2")
    ann.expect("pusher:member_added", ROOM)
    getattr(bo, end)()
    assert member_of(ann.expect("pusher:member_removed", ROOM))["user_id"] == "u2"


def test_a_user_with_three_tabs_is_one_member(app: App) -> None:
    ann = app.member(ROOM, "u1")
    tabs = [app.member(ROOM, "u2", tab=number) for number in range(3)]
    ann.expect("pusher:member_added", ROOM)
    nothing_but(app, ann)
    assert list(app.connect().subscribe(ROOM, channel_data={"user_id": "u1"})["members"]) == ["u1", "u2"]
    nothing_but(app, ann)
    tabs[0].leave()
    tabs[1].until("end"), tabs[1].until("end")
    tabs[1].unsubscribe(ROOM)
    wait_until(lambda: tabs[0].id not in app.live(), "the first tab is gone")
    nothing_but(app, ann)
    tabs[2].abort()
    assert member_of(ann.expect("pusher:member_removed", ROOM))["user_id"] == "u2"


def test_subscribing_again_with_other_channel_data_is_a_leave_and_a_join(app: App) -> None:
    ann = app.member(ROOM, "u1")
    bo = app.member(ROOM, "u2", name="Bo")
    ann.expect("pusher:member_added", ROOM)
    answer = bo.subscribe(ROOM, channel_data={"user_id": "u2", "name": "Robert"})
    assert answer["members"]["u2"] == {"user_id": "u2", "name": "Robert"}
    assert member_of(ann.expect("pusher:member_removed", ROOM)) == {"user_id": "u2", "name": "Bo"}
    assert member_of(ann.expect("pusher:member_added", ROOM)) == {"user_id": "u2", "name": "Robert"}
    bo.subscribe(ROOM, channel_data={"user_id": "u2", "name": "Robert"})
    nothing_but(app, ann)
    newcomer = app.connect().subscribe(ROOM, channel_data={"user_id": "u3"})
    assert newcomer["members"]["u2"]["name"] == "Robert"
    ann.expect("pusher:member_added", ROOM)
    bo.leave()
    assert member_of(ann.expect("pusher:member_removed", ROOM)) == {"user_id": "u2", "name": "Robert"}


def test_channel_data_may_be_a_string_of_json(app: App) -> None:
    socket = app.connect()
    answer = socket.subscribe(ROOM, channel_data='{"user_id":"u1","name":"Ann"}')
    assert answer["members"] == {"u1": {"user_id": "u1", "name": "Ann"}}


def test_a_user_id_that_is_a_number_is_its_decimal_text(app: App) -> None:
    assert list(app.connect().subscribe(ROOM, channel_data={"user_id": 7})["members"]) == ["7"]
    # The same user, so no second member.
    assert list(app.connect().subscribe(ROOM, channel_data={"user_id": "7"})["members"]) == ["7"]


@pytest.mark.parametrize(
    "data", [None, {}, {"name": "Ann"}, {"user_id": ""}, {"user_id": None}, {"user_id": {}}, '{"x":1}']
)
def test_a_presence_channel_without_a_user_id(app: App, data: object) -> None:
    socket = app.connect()
    socket.ask(ROOM, channel_data=data)
    socket.error(4316, "pusher:subscribe", ROOM)
    socket.quiet()


def test_the_signature_may_cover_the_channel_data(app: App) -> None:
    socket = app.connect()
    answer = socket.subscribe(ROOM, channel_data={"user_id": "u1"}, cover=True)
    assert list(answer["members"]) == ["u1"]


def test_a_signature_over_other_channel_data_is_refused(app: App) -> None:
    socket = app.connect()
    signed = '{"user_id":"u1"}'
    socket.ask(ROOM, auth=app.sign(socket.id, ROOM, signed), channel_data='{"user_id":"admin"}')
    socket.error(4009, "pusher:subscribe", ROOM)


def test_an_app_can_require_that_channel_data_are_signed(app: App) -> None:
    app.configure(signed_presence=True)
    socket = app.connect()
    socket.ask(ROOM, channel_data={"user_id": "u1"})
    socket.error(4009, "pusher:subscribe", ROOM)
    socket.subscribe(ROOM, channel_data={"user_id": "u1"}, cover=True)
    # Without channel data there is nothing to cover.
    socket.subscribe("private-x")


def test_members_over_the_limit_are_refused_and_tabs_are_not_members(app: App) -> None:
    app.configure(max_members=2)
    first, _ = app.member(ROOM, "u1"), app.member(ROOM, "u2")
    first.expect("pusher:member_added")
    third = app.connect()
    third.ask(ROOM, channel_data={"user_id": "u3"})
    third.error(4319, "pusher:subscribe", ROOM)
    app.member(ROOM, "u2")
    nothing_but(app, first)


def test_channel_data_over_the_limit_are_refused(app: App) -> None:
    socket = app.connect()
    socket.ask(ROOM, channel_data={"user_id": "u1", "name": "x" * 1024})
    socket.error(4318, "pusher:subscribe", ROOM)
    app.configure(max_member_bytes=4096)
    wider = app.connect()
    wider.subscribe(ROOM, channel_data={"user_id": "u1", "name": "x" * 1024})


def test_many_come_at_once_and_all_agree(app: App, run_together: Callable[..., list[object]]) -> None:
    watcher = app.member(ROOM, "watcher")
    users = [f"u{number:02}" for number in range(20)]
    sockets = [app.connect() for _ in users]
    run_together(
        [lambda s=s, u=u: s.subscribe(ROOM, channel_data={"user_id": u}) for s, u in zip(sockets, users, strict=True)]
    )
    heard = [member_of(watcher.expect("pusher:member_added", ROOM))["user_id"] for _ in users]
    assert sorted(map(str, heard)) == users
    everybody = app.connect().subscribe(ROOM, channel_data={"user_id": "watcher"})["members"]
    assert sorted(everybody) == sorted([*users, "watcher"])
