"""Peer channels: shared by members of a presence channel with `peer: true`, without subscribing."""

import pytest

from fixtures.app import App

ROOM = "presence-room"
PAIR = "peer-room:u1&u2"


def test_two_peers_share_a_channel_from_the_moment_both_are_there(app: App) -> None:
    ann = app.member(ROOM, "u1", peer=True)
    ann.publish(PAIR, "alone")
    ann.error(4317, channel=PAIR)
    bo = app.member(ROOM, "u2", peer=True)
    ann.expect("pusher:member_added")
    ann.publish(PAIR, "hello")
    assert bo.expect("message", PAIR)["data"] == "hello"
    bo.publish(PAIR, "hello yourself")
    assert ann.expect("message", PAIR)["data"] == "hello yourself"
    ann.quiet()
    bo.quiet()


def test_every_connection_of_both_is_on_it_and_nobody_else(app: App) -> None:
    ann, ann_too = app.member(ROOM, "u1", peer=True), app.member(ROOM, "u1", peer=True)
    bo = app.member(ROOM, "u2", peer=True)
    eve = app.member(ROOM, "u3", peer=True)
    bo.expect("pusher:member_added")
    for socket in (ann, ann_too):
        socket.expect("pusher:member_added"), socket.expect("pusher:member_added")
    ann.publish(PAIR, "x")
    assert bo.expect("message", PAIR)["data"] == "x"
    assert ann_too.expect("message", PAIR)["data"] == "x"
    eve.publish(PAIR, "let me in")
    eve.error(4317)
    eve.quiet()
    ann.quiet()


def test_it_ends_when_one_has_left(app: App) -> None:
    ann, bo = app.member(ROOM, "u1", peer=True), app.member(ROOM, "u2", peer=True)
    ann.expect("pusher:member_added")
    bo.unsubscribe(ROOM)
    ann.expect("pusher:member_removed")
    ann.publish(PAIR, "x")
    ann.error(4317, channel=PAIR)
    bo.publish(PAIR, "x")
    bo.error(4317, channel=PAIR)


def test_a_member_without_the_flag_is_no_peer(app: App) -> None:
    ann, bo = app.member(ROOM, "u1", peer=True), app.member(ROOM, "u2")
    ann.expect("pusher:member_added")
    ann.publish(PAIR, "x")
    ann.error(4317, channel=PAIR)
    # A second subscription with other channel data changes it.
    bo.subscribe(ROOM, channel_data={"user_id": "u2", "peer": True})
    ann.publish(PAIR, "x")
    assert bo.expect("message", PAIR)["data"] == "x"


def test_the_back_end_reaches_both(app: App) -> None:
    ann, bo = app.member(ROOM, "u1", peer=True), app.member(ROOM, "u2", peer=True)
    ann.expect("pusher:member_added")
    app.publish(PAIR, "for two")
    for socket in (ann, bo):
        assert socket.expect("message", PAIR)["data"] == "for two"


def test_three_may_be_named_and_two_are_enough(app: App) -> None:
    trio = "peer-room:u1&u2&u3"
    ann = app.member(ROOM, "u1", peer=True)
    ann.publish(trio, "alone")
    ann.error(4317, channel=trio)
    bo = app.member(ROOM, "u2", peer=True)
    ann.expect("pusher:member_added")
    ann.publish(trio, "two")
    assert bo.expect("message", trio)["data"] == "two"
    cy = app.member(ROOM, "u3", peer=True)
    ann.expect("pusher:member_added"), bo.expect("pusher:member_added")
    cy.publish(trio, "three")
    assert ann.expect("message", trio)["data"] == "three"
    assert bo.expect("message", trio)["data"] == "three"
    # Two of the three users have a different channel.
    ann.publish(PAIR, "secret")
    assert bo.expect("message", PAIR)["data"] == "secret"
    cy.quiet()


@pytest.mark.parametrize(
    "name", ["peer-room", "peer-room:u1", "peer-room:u2&u1", "peer-room:u1&u1", "peer-room:u1&", "peer-:u1&u2"]
)
def test_a_name_that_is_none(app: App, name: str) -> None:
    ann = app.member(ROOM, "u1", peer=True)
    ann.publish(name, "x")
    ann.error(4315)
    ann.ask(name)
    ann.error(4315, "pusher:subscribe")


def test_a_long_name_may_have_2000_bytes(app: App) -> None:
    users = sorted(f"user-{number:03}-{'x' * 100}" for number in range(18))
    name = "peer-room:" + "&".join(users)
    assert 1900 < len(name) <= 2000
    ann, bo = app.member(ROOM, users[0], peer=True), app.member(ROOM, users[1], peer=True)
    ann.expect("pusher:member_added")
    ann.publish(name, "x")
    assert bo.expect("message", name)["data"] == "x"
    ann.publish(name + "y" * 200, "x")
    ann.error(4315)


def test_a_member_may_subscribe_without_a_signature_to_get_the_history(app: App) -> None:
    ann, bo = app.member(ROOM, "u1", peer=True), app.member(ROOM, "u2", peer=True)
    ann.expect("pusher:member_added")
    for number in range(3):
        ann.publish_acknowledged(PAIR, str(number))
        bo.expect("message", PAIR)
    answer = bo.subscribe(PAIR, since=1)
    assert [event["data"]["data"] for event in answer["events"]] == ["1", "2"]
    assert (answer["recovered"], answer["serial"]) == (True, 3)
    assert len(bo.latest(PAIR)) == 3
    # It still receives each event once.
    ann.publish(PAIR, "live")
    assert bo.expect("message", PAIR)["data"] == "live"
    bo.quiet()


def test_a_stranger_needs_a_signature_and_is_then_a_listener(app: App) -> None:
    ann, bo = app.member(ROOM, "u1", peer=True), app.member(ROOM, "u2", peer=True)
    ann.expect("pusher:member_added")
    stranger = app.connect()
    stranger.ask(PAIR)
    stranger.error(4009, "pusher:subscribe", PAIR)
    stranger.subscribe(PAIR, auth=app.sign(stranger.id, PAIR))
    ann.publish(PAIR, "x")
    assert bo.expect("message", PAIR)["data"] == "x"
    assert stranger.expect("message", PAIR)["data"] == "x"


def test_rooms_do_not_mix(app: App) -> None:
    ann, bo = app.member("presence-one", "u1", peer=True), app.member("presence-two", "u2", peer=True)
    for socket, base in ((ann, "one"), (bo, "two")):
        socket.publish(f"peer-{base}:u1&u2", "x")
        socket.error(4317)


def test_a_base_may_hold_a_colon(app: App) -> None:
    ann, bo = app.member("presence-a:b", "u1", peer=True), app.member("presence-a:b", "u2", peer=True)
    ann.expect("pusher:member_added")
    ann.publish("peer-a:b:u1&u2", "x")
    assert bo.expect("message", "peer-a:b:u1&u2")["data"] == "x"
