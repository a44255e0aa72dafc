"""PUT /apps/<ident>: any subset, `null` changes nothing, `reset` resets, unknown members are rejected, and changes persist."""

from collections.abc import Callable
from typing import Any

import pytest

from fixtures.app import App
from fixtures.problem import problem
from fixtures.server import Server

# A key of the curve P-256.
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCz9wp1hSIRP0jXKl
DOhOhhTMYT0HTn75Ftkftr4HsP+hRANCAAQrsPsd1novhvs1uwg731u16bz8kKvd
CDa6tisFq6TnCguGqVkvm9L9X2Keo9MUyWH7ye4fk/VoDc6DcD1ebj6h
-----END PRIVATE KEY-----
"""
ED25519 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "alg": "EdDSA", "use": "sig"}
DEFAULTS: dict[str, Any] = {
    "enabled": True,
    "client_publish": True,
    "client_events": False,
    "signed_presence": False,
    "subscription_count": False,
    "require_signin": False,
    "signin_timeout": 30,
    "tls_only": False,
    "allowed_origins": [],
    "over_capacity": 4004,
    "replay": {},
    "webhooks": [],
    "token_keys": {"keys": []},
}
CHANGED: dict[str, Any] = {
    "client_publish": False,
    "client_events": True,
    "signed_presence": True,
    "subscription_count": True,
    "require_signin": True,
    "signin_timeout": 5,
    "tls_only": True,
    "allowed_origins": ["https://shop.example"],
    "over_capacity": 4100,
    "replay": {"chat-": 50},
    "webhooks": [{"url": "https://shop.example/hook", "events": ["channel_occupied"], "channel_prefix": "presence-"}],
    "token_keys": {"keys": [ED25519]},
    "apn_sandbox": True,
    "apn_key": KEY,
    "apn_cer": "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    "apn_key_id": "ABC123DEFG",
    "apn_team_id": "DEF123GHIJ",
    "apn_topic": "com.example.shop",
    "vapid_key": KEY,
    "vapid_email": "a@b.example",
    "smtp_url": "smtp://mail.example",
    "name": "renamed",
    "description": "what it is for",
}
LIMITS = [
    "max_connections",
    "max_message_bytes",
    "max_data_bytes",
    "max_channels_per_connection",
    "max_members",
    "max_member_bytes",
    "max_client_events",
    "max_publishes",
]


def put(app: App, **members: Any) -> dict[str, Any]:
    """Changes the app with its own session; returns it."""
    answer = app.rest.put(f"/apps/{app.ident}", json=members)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_new_app_has_the_defaults(app: App) -> None:
    assert {name: app.created[name] for name in DEFAULTS} == DEFAULTS
    for limit in LIMITS:
        assert limit in app.created


@pytest.mark.parametrize("name", list(CHANGED))
def test_each_can_be_changed_and_reset_by_itself(app: App, name: str) -> None:
    before = app.rest.get(f"/apps/{app.ident}").json()
    changed = put(app, **{name: CHANGED[name]})
    assert changed[name] == CHANGED[name]
    # No other setting changed.
    ignored = {name, "modified"}
    assert {k: v for k, v in changed.items() if k not in ignored} == {
        k: v for k, v in before.items() if k not in ignored
    }
    assert app.rest.get(f"/apps/{app.ident}").json() == changed
    if name == "name":
        return
    assert put(app, **{name: None})[name] == CHANGED[name]
    assert put(app, reset=[name])[name] == before[name]


def test_all_at_once_and_again_after_a_restart(launch: Callable[..., Server]) -> None:
    first = launch("same")
    app = first.create_app()
    put(app, **CHANGED)
    before = app.configure(**dict.fromkeys(LIMITS, 77), enabled=False)
    app.close()
    first.stop()
    after = launch("same").admin.get(f"/apps/{app.ident}").json()
    assert after == before
    assert {name: after[name] for name in CHANGED} == CHANGED


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_the_administrators(app: App, name: str) -> None:
    before = app.created[name]
    problem(app.rest.put(f"/apps/{app.ident}", json={name: 5}), 403)
    assert app.rest.get(f"/apps/{app.ident}").json()[name] == before
    assert app.configure(**{name: 5})[name] == 5
    assert app.configure(**{name: None})[name] == 5
    problem(app.rest.put(f"/apps/{app.ident}", json={"reset": [name]}), 403)
    assert app.configure(reset=[name])[name] == before


def test_enabling_is_the_administrators(app: App) -> None:
    problem(app.rest.put(f"/apps/{app.ident}", json={"enabled": False, "name": "x"}), 403)
    assert app.rest.get(f"/apps/{app.ident}").json()["name"] != "x"


@pytest.mark.parametrize("name", ["nonsense", "max_nonsense", "ident", "key", "id", "created", "instance"])
def test_an_unknown_member_is_refused_and_nothing_changes(app: App, name: str) -> None:
    before = app.rest.get(f"/apps/{app.ident}").json()
    answer = app.server.admin.put(f"/apps/{app.ident}", json={"name": "half done", name: "x"})
    assert name in problem(answer, 400)["message"]
    assert app.rest.get(f"/apps/{app.ident}").json() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_publish", "yes"),
        ("signin_timeout", -1),
        ("allowed_origins", "https://a.example"),
        ("over_capacity", 4005),
        ("replay", {"chat-": -1}),
        ("replay", []),
        ("webhooks", [{"events": ["channel_occupied"]}]),
        ("webhooks", [{"url": "ftp://a.example"}]),
        ("webhooks", [{"url": "https://a.example", "events": ["nonsense"]}]),
        ("max_connections", -1),
        ("max_connections", 1.5),
        ("max_connections", "many"),
        ("name", ""),
    ],
)
def test_a_value_that_cannot_be(app: App, name: str, value: Any) -> None:
    problem(app.server.admin.put(f"/apps/{app.ident}", json={name: value}), 400, 422)
    assert app.rest.get(f"/apps/{app.ident}").json()[name] == app.created[name]


@pytest.mark.parametrize(
    "members",
    [{"reset": ["nonsense"]}, {"reset": ["name"]}, {"reset": ["replay"], "replay": {}}, {"reset": "replay"}],
)
def test_a_reset_that_cannot_be(app: App, members: dict[str, Any]) -> None:
    answer = app.server.admin.put(f"/apps/{app.ident}", json={"description": "half done", **members})
    assert "reset" in problem(answer, 400)["message"]
    assert app.rest.get(f"/apps/{app.ident}").json() == app.created


def test_an_empty_change_answers_the_app(app: App) -> None:
    assert put(app)["ident"] == app.ident


def test_a_change_holds_for_sockets_that_are_open(app: App) -> None:
    sender, reader = app.connect_to("global"), app.connect_to("global")
    sender.publish("global", "1", persist=False)
    assert reader.expect("message")["data"] == "1"
    app.configure(client_publish=False)
    sender.publish("global", "2", persist=False)
    sender.expect("pusher:error")
    reader.quiet()
