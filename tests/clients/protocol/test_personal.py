"""Personal channels: the subscriptions of a user, on each of the user's sockets."""

import pytest

from fixtures.app import App
from fixtures.sockets import Socket

MINE = "personal-u1"
ANSWER = "pusher_internal:subscription_succeeded"


def alias(socket: Socket) -> list[str]:
    """The channels of the notification that a change causes."""
    return sorted(socket.data(ANSWER, MINE)["alias"])


def texts(answer: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    """The data of the events of a response, in order."""
    return [event["data"]["data"] for event in answer["events"]]


def test_it_names_the_channels_that_the_user_follows(app: App) -> None:
    app.follow("u1", "news")
    app.follow("u1", "private-orders")
    app.follow("u2", "others")
    answer = app.connect().subscribe(MINE)
    assert set(answer) == {"name", "members", "alias", "events"}
    assert sorted(answer["alias"]) == ["news", "private-orders"]
    assert answer["members"] == {}
    assert answer["events"] == []


def test_it_delivers_what_they_carry_without_further_signatures(app: App) -> None:
    app.follow("u1", "news")
    app.follow("u1", "private-orders")
    reader = app.connect_to(MINE)
    app.publish("news", "a")
    assert reader.expect("message", "news")["data"] == "a"
    app.publish("private-orders", "b")
    assert reader.expect("message", "private-orders")["data"] == "b"
    app.publish("elsewhere", "c")
    reader.quiet()


def test_a_back_end_can_write_to_one_user(app: App) -> None:
    first, second, other = app.connect_to(MINE), app.connect_to(MINE), app.connect_to("personal-u2")
    app.publish(MINE, "for u1")
    for socket in (first, second):
        assert socket.expect("message", MINE)["data"] == "for u1"
    other.quiet()


def test_it_brings_the_last_ten_that_were_missed_newest_first(app: App) -> None:
    app.publish("news", "before")
    app.follow("u1", "news")
    app.follow("u1", "blog")
    for number in range(12):
        app.publish("news" if number % 2 else "blog", str(number))
    app.publish("news", "not kept", persist=False)
    answer = app.connect().subscribe(MINE)
    assert texts(answer) == [str(number) for number in range(11, 1, -1)]
    ids = [event["id"] for event in answer["events"]]
    assert ids == sorted(ids, reverse=True)


def test_what_came_before_the_subscription_or_after_its_end_is_not_among_them(app: App) -> None:
    app.publish("news", "before")
    app.follow("u1", "news")
    app.publish("news", "within")
    app.unfollow("u1", "news")
    app.publish("news", "after")
    answer = app.connect().subscribe(MINE)
    assert answer["alias"] == []
    assert texts(answer) == ["within"]
    app.follow("u1", "news")
    app.publish("news", "again")
    assert texts(app.connect().subscribe(MINE)) == ["again", "within"]


def test_what_was_sent_to_the_user_is_among_them(app: App) -> None:
    app.publish(MINE, "direct")
    assert texts(app.connect().subscribe(MINE)) == ["direct"]
    assert texts(app.connect().subscribe("personal-u2")) == []


def test_it_follows_changes_while_connected(app: App) -> None:
    first, second = app.connect_to(MINE, follow=True), app.connect_to(MINE, follow=True)
    app.follow("u1", "news")
    for socket in (first, second):
        assert alias(socket) == ["news"]
    app.publish("news", "a")
    for socket in (first, second):
        assert socket.expect("message", "news")["data"] == "a"
    app.follow("u1", "blog")
    assert alias(first) == ["blog", "news"]
    app.unfollow("u1", "news")
    assert alias(first) == ["blog"]
    app.publish(["news", "blog"], "b")
    assert first.expect("message", "blog")["data"] == "b"
    first.quiet()


def test_a_socket_that_did_not_ask_to_follow_gets_no_second_answer(app: App) -> None:
    app.follow("u1", "news")
    reader = app.connect_to(MINE)
    app.follow("u1", "blog")
    reader.quiet()
    app.publish("blog", "a")
    assert reader.expect("message", "blog")["data"] == "a"
    # The channels that the client knows: PyPI `pushi-service`'s client fails on others.
    assert reader.unsubscribe(MINE)["alias"] == ["news"]


def test_the_same_subscription_again_changes_nothing(app: App) -> None:
    app.follow("u1", "news")
    reader = app.connect_to(MINE)
    app.follow("u1", "news")
    app.publish("news", "a")
    # Either no frame, or a new notification with the same content.
    frames = reader.until("message")
    assert {frame["event"] for frame in frames} <= {ANSWER}
    reader.quiet()


def test_unsubscribing_undoes_it(app: App) -> None:
    app.follow("u1", "news")
    reader = app.connect_to(MINE)
    reader.unsubscribe(MINE)
    app.publish(["news", MINE], "a")
    app.follow("u1", "blog")
    reader.quiet()
    assert app.live()[reader.id] == []


def test_a_channel_held_directly_and_by_alias_delivers_once_and_is_left_when_both_ended(app: App) -> None:
    app.follow("u1", "news")
    reader = app.connect_to(MINE, "news", follow=True)
    app.publish("news", "once")
    assert reader.expect("message")["data"] == "once"
    reader.quiet()
    app.unfollow("u1", "news")
    assert alias(reader) == []
    app.publish("news", "still")
    assert reader.expect("message")["data"] == "still"
    app.follow("u1", "news")
    assert alias(reader) == ["news"]
    reader.unsubscribe("news")
    app.publish("news", "by alias")
    assert reader.expect("message")["data"] == "by alias"
    reader.unsubscribe(MINE)
    app.publish("news", "no more")
    reader.quiet()


def test_a_presence_channel_among_them_is_joined_with_the_channel_data(app: App) -> None:
    app.follow("u1", "presence-room")
    watcher = app.member("presence-room", "u2")
    reader = app.connect_to(MINE, channel_data={"user_id": "u1", "name": "Ann"})
    assert '"Ann"' in watcher.expect("pusher:member_added", "presence-room")["member"]
    reader.unsubscribe(MINE)
    watcher.expect("pusher:member_removed", "presence-room")


def test_without_channel_data_it_is_joined_without_being_a_member(app: App) -> None:
    app.follow("u1", "presence-room")
    watcher = app.member("presence-room", "u2")
    reader = app.connect_to(MINE)
    app.publish("presence-room", "x")
    assert watcher.expect("message", "presence-room")["data"] == "x"
    assert reader.expect("message", "presence-room")["data"] == "x"
    assert list(app.connect().subscribe("presence-room", channel_data={"user_id": "u2"})["members"]) == ["u2"]


def test_a_socket_may_publish_to_what_it_has_by_alias(app: App) -> None:
    app.follow("u1", "news")
    reader, writer = app.connect_to("news"), app.connect_to(MINE)
    writer.publish("news", "x")
    assert reader.expect("message", "news")["data"] == "x"


@pytest.mark.parametrize("channel", ["personal-", "personal-" + "u" * 129])
def test_a_name_without_a_usable_user(app: App, channel: str) -> None:
    socket = app.connect()
    socket.ask(channel)
    socket.error(4315, "pusher:subscribe")


def test_since_replays_the_channel_and_its_aliases(app: App) -> None:
    app.follow("u1", "news")
    app.follow("u1", "blog")
    for channel in ("news", "blog", "news", MINE, "blog"):
        app.publish(channel, channel)
    reader = app.connect()
    answer = reader.subscribe(MINE, since={MINE: 0, "news": 1, "blog": 0})
    assert texts(answer) == ["blog", "news", MINE, "blog"]
    ids = [event["id"] for event in answer["events"]]
    assert ids == sorted(ids)
    assert answer["recovered"] is True
    app.publish("news", "live")
    assert reader.expect("message", "news")["serial"] == 3
    reader.quiet()


def test_since_is_recovered_only_if_all_were(app: App) -> None:
    app.follow("u1", "news")
    app.follow("u1", "blog")
    app.publish("news", "n")
    app.publish("blog", "b")
    answer = app.connect().subscribe(MINE, since={MINE: 0, "news": 0, "blog": 9})
    assert answer["recovered"] is False


def test_since_as_a_number_is_the_personal_channels_own(app: App) -> None:
    app.publish(MINE, "1")
    app.publish(MINE, "2")
    answer = app.connect().subscribe(MINE, since=1)
    assert texts(answer) == ["2"]
    assert (answer["recovered"], answer["serial"]) == (True, 2)


@pytest.mark.parametrize("since", [{"news": -1}, {"news": "3"}, {"news": 1.5}])
def test_since_with_a_value_that_is_none(app: App, since: object) -> None:
    app.follow("u1", "news")
    socket = app.connect()
    socket.ask(MINE, since=since)
    socket.error(4314, "pusher:subscribe", MINE)
    assert app.live()[socket.id] == []
