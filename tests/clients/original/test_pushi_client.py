"""The original's own client, PyPI `pushi`, unchanged, against a server with open registration."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import appier
import httpx
import pushi
import pytest

from fixtures.app import App
from fixtures.server import Server


@pytest.fixture
def api(launch: Callable[..., Server]) -> Iterator[pushi.API]:
    """A client that has created its own app."""
    server = launch(PUSHI_OPEN_REGISTRATION=1, PUSHI_ADMIN_TOKEN=None)
    client = pushi.API(base_url=f"{server.url}/")
    created = client.create_app("made by the original")
    assert created["name"] == "made by the original"
    client.app_id, client.app_key, client.app_secret = created["ident"], created["key"], created["secret"]
    client.ours = App(server, created)
    yield client
    client.ours.close()


def test_it_logs_in(api: pushi.API) -> None:
    token = api.login()
    assert api.get_token() == token
    answer = httpx.get(f"{api.base_url}apps/{api.app_id}", params={"sid": token}, trust_env=False)
    assert answer.json()["key"] == api.app_key


def test_it_is_refused_with_a_wrong_secret(api: pushi.API) -> None:
    stranger = pushi.API(app_id=api.app_id, app_key=api.app_key, app_secret="wrong", base_url=api.base_url)
    with pytest.raises(appier.exceptions.HTTPError) as refusal:
        stranger.login()
    assert refusal.value.code in (401, 403)


def test_it_triggers_events_that_sockets_receive(api: pushi.API) -> None:
    reader = api.ours.connect_to("global", "private-orders")
    assert api.trigger_event(channel="global", data="hello world", event="message") == {"result": "success"}
    frame = reader.expect("message", "global")
    assert frame["data"] == "hello world"
    assert frame["serial"] == 1
    api.create_event("private-orders", {"number": 17}, event="order", persist=False, colour="red")
    frame = reader.expect("order", "private-orders")
    assert json.loads(frame["data"]) == {"number": 17}
    assert frame["colour"] == "red"
    assert "mid" not in frame
    api.trigger_event(["global", "private-orders"], "to both")
    assert reader.expect("message")["data"] == "to both"
    reader.quiet()


def test_it_subscribes_and_unsubscribes_users(api: pushi.API) -> None:
    made = api.subscribe("ann", "news")
    assert (made["user_id"], made["event"]) == ("ann", "news")
    assert api.create_subscription("ann", "news")["id"] == made["id"]
    reader = api.ours.connect()
    assert reader.subscribe("personal-ann", follow=True)["alias"] == ["news"]
    api.trigger_event("news", "headline")
    assert reader.expect("message", "news")["data"] == "headline"
    assert api.unsubscribe("ann", "news")["id"] == made["id"]
    assert reader.data("pusher_internal:subscription_succeeded", "personal-ann")["alias"] == []
    assert api.delete_subscription("ann", "news") == {"result": "success"}


def test_it_changes_its_app(api: pushi.API) -> None:
    changed = api.update_app(name="renamed")
    assert changed["name"] == "renamed"
    api.update_app(api.app_id, vapid_email="ann@shop.example")
    answer = api.ours.rest.get(f"/apps/{api.app_id}").json()
    assert (answer["name"], answer["vapid_email"]) == ("renamed", "ann@shop.example")


def test_it_authenticates_a_private_channel(api: pushi.API) -> None:
    socket = api.ours.connect()
    socket.subscribe("private-orders", auth=api.authenticate("private-orders", socket.id))
    api.trigger_event("private-orders", "signed by the original")
    assert socket.expect("message", "private-orders")["data"] == "signed by the original"
    socket.ask("private-other", auth=api.authenticate("private-orders", socket.id))
    socket.error(4009)


def test_it_authenticates_presence_and_personal_channels(api: pushi.API) -> None:
    socket = api.ours.connect()
    auth = api.authenticate("presence-room", socket.id)
    answer = socket.subscribe("presence-room", auth=auth, channel_data={"user_id": "ann"})
    assert list(answer["members"]) == ["ann"]
    socket.subscribe("personal-ann", auth=api.authenticate("personal-ann", socket.id))


def test_it_logs_out_and_in_again(api: pushi.API) -> None:
    api.login()
    api.logout()
    assert api.token is None
    # Its next call requests a new token automatically.
    assert api.trigger_event("global", "again") == {"result": "success"}


def test_it_registers_web_hooks(api: pushi.API) -> None:
    url = "https://hook.example/path/a"
    made = api.create_web(url, "news")
    assert (made["url"], made["event"], made["instance"]) == (url, "news", api.app_id)
    assert api.subscribe_web(url, "news", unsubscribe=False)["id"] == made["id"]
    with pytest.raises(appier.exceptions.HTTPError) as refusal:
        api.create_web(url, "private-orders")
    assert refusal.value.code == 401
    api.create_web(url, "private-orders", auth=api.authenticate("private-orders", url), unsubscribe=False)
    assert api.delete_web(url, "news")["id"] == made["id"]
    assert api.unsubscribe_web(url, "news") == {"result": "success"}
    assert api.delete_web(url, "private-orders")["event"] == "private-orders"


def test_it_registers_addresses_and_devices(api: pushi.API) -> None:
    email, device, channel = "ann@shop.example", "a1" * 32, "private-orders"
    for address, create, subscribe, listing, end, unsubscribe, end_all in [
        (
            email,
            api.create_smtp,
            api.subscribe_smtp,
            api.list_smtps,
            api.delete_smtp,
            api.unsubscribe_smtp,
            api.delete_smtps,
        ),
        (
            device,
            api.create_apn,
            api.subscribe_apn,
            api.list_apns,
            api.delete_apn,
            api.unsubscribe_apn,
            api.delete_apns,
        ),
    ]:
        made = create(address, "news")
        assert (made["event"], made["instance"]) == ("news", api.app_id)
        assert subscribe(address, "news", unsubscribe=False)["id"] == made["id"]
        with pytest.raises(appier.exceptions.HTTPError) as refusal:
            create(address, channel)
        assert refusal.value.code == 401
        create(address, channel, auth=api.authenticate(channel, address), unsubscribe=False)
        assert [one["event"] for one in listing()["subscriptions"]] == ["news", channel]
        assert len(listing(address, "news")["subscriptions"]) == 1
        assert end(address, "news")["id"] == made["id"]
        assert unsubscribe(address, "news") == {"result": "success"}
        with pytest.raises(appier.exceptions.HTTPError) as refusal:
            end(address, "news", force=True)
        assert refusal.value.code == 404
        create(address, "sport", unsubscribe=False)
        assert [one["event"] for one in end_all(address)["subscriptions"]] == [channel, "sport"]
        assert end_all(address) == listing() == {"subscriptions": []}


def test_it_registers_browsers(api: pushi.API) -> None:
    endpoint, channel = "https://push.example/v1/4f1c?a=b", "private-orders"
    key = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    browser = {"endpoint": endpoint, "p256dh": key, "auth": "BTBZMqHH6r4Tts7J_aSIgg"}
    made = api.create_web_push(event="news", **browser)
    assert {name: made[name] for name in browser} == browser
    assert api.subscribe_web_push(event="news", unsubscribe=False, **browser)["id"] == made["id"]
    with pytest.raises(appier.exceptions.HTTPError) as refusal:
        api.create_web_push(event=channel, **browser)
    assert refusal.value.code == 401
    signed = api.authenticate(channel, endpoint)
    api.create_web_push(event=channel, auth_token=signed, unsubscribe=False, **browser)
    assert [one["event"] for one in api.list_web_pushes()["subscriptions"]] == ["news", channel]
    assert len(api.list_web_pushes(endpoint, "news")["subscriptions"]) == 1
    assert api.delete_web_push(endpoint, "news")["id"] == made["id"]
    assert api.unsubscribe_web_push(endpoint, "news") == {"result": "success"}
    with pytest.raises(appier.exceptions.HTTPError) as refusal:
        api.delete_web_push(endpoint, "news", force=True)
    assert refusal.value.code == 404
    assert [one["event"] for one in api.delete_web_pushes(endpoint)["subscriptions"]] == [channel]
    assert api.list_web_pushes() == {"subscriptions": []}


def test_it_has_no_method_that_is_not_called() -> None:
    """The methods of `API`; those of direct messages, and the public VAPID key, are called in `messaging`."""
    parts = [base for base in pushi.API.__mro__ if base.__module__.startswith("pushi.")]
    methods = {name for part in parts for name, value in vars(part).items() if callable(value) and name[0] != "_"}
    plumbing = {"build", "auth_callback"}
    here = Path(__file__).parent
    sources = [Path(__file__), *(here.parent / "messaging").glob("*.py")]
    text = "".join(source.read_text() for source in sources)
    assert {name for name in methods - plumbing if f".{name}" not in text} == set()
    assert len(methods) == 42
