"""The direct messages of PyPI `pushi`, unchanged."""

from collections.abc import Callable, Iterator

import pushi
import pytest

from fixtures.apns import KEY_ID, TEAM_ID, Apns, new_key
from fixtures.mail import MailServer
from fixtures.server import Server


@pytest.fixture
def receivers() -> Iterator[tuple[MailServer, Apns, str]]:
    """A mail server, a push service, and a key that it knows."""
    key = new_key()
    mail, apple = MailServer(), Apns(key)
    yield mail, apple, key
    mail.close()
    apple.close()


def test_it_sends_mails_and_messages_to_devices(
    launch: Callable[..., Server], receivers: tuple[MailServer, Apns, str]
) -> None:
    mail, apple, key = receivers
    server = launch(
        PUSHI_APNS_URL=apple.url, SMTP_HOST="127.0.0.1", SMTP_PORT=mail.port, SMTP_SENDER="shop@shop.example"
    )
    app = server.create_app(settings={"apn_key": key, "apn_key_id": KEY_ID, "apn_team_id": TEAM_ID})
    api = pushi.API(app_id=app.ident, app_key=app.key, app_secret=app.secret, base_url=f"{server.url}/")
    device, to = "a1" * 32, "ben@shop.example"
    assert api.send_messaging_email(to, "S", "B") == {"success": True, "recipients": [to]}
    assert mail.next().text.strip() == "B"
    assert api.send_messaging_apn([device], {"alert": "hi"}) == {"success": True, "tokens": [device]}
    assert apple.next().body == {"aps": {"alert": {"alert": "hi"}, "sound": "default", "badge": 0}}
    answer = api.send_messaging(
        ["APN", "smtp", "webhook", "zzz"], {"title": "T"}, apn_tokens=[device], email_to=to, email_subject="Own"
    )
    assert answer == {
        "apn": {"success": True, "tokens": [device]},
        "email": {"success": True, "recipients": [to]},
        "zzz": {"success": False, "error": "Unknown adapter: zzz"},
    }
    assert apple.next().body["aps"]["alert"] == {"title": "T"}
    received = mail.next()
    assert received.mail["Subject"] == "Own"
    assert received.text.strip() == '{\n  "title": "T"\n}'
    api.send_messaging("email", {"a": 1}, email_to=[to], email_body="<b>B</b>", email_html=True, apn_tokens=[device])
    received = mail.next()
    assert (received.mail["Subject"], received.html.strip()) == ("Notification", "<b>B</b>")
    assert apple.pushes.empty()
    app.close()
