"""Uses the client of `openapi-python-client`; prints what it read."""

import json
import os
from typing import TypeVar

from pushi_client import AuthenticatedClient, Client
from pushi_client.api.apps import create_app, update_app
from pushi_client.api.events import list_events, publish_event
from pushi_client.api.health import get_detailed_health
from pushi_client.api.sessions import login
from pushi_client.api.sockets import get_socket, list_sockets
from pushi_client.api.subscriptions import create_subscription, delete_subscription, list_subscriptions
from pushi_client.models import (
    App,
    AppChange,
    AppChangeResetType0Item,
    AppDraft,
    Credentials,
    DetailedHealth,
    Done,
    EndedSubscription,
    ErrorAnswer,
    EventList,
    Publication,
    SessionToken,
    Subscription,
    SubscriptionList,
    SubscriptionWish,
)

T = TypeVar("T")
url, ident = os.environ["PUSHI_URL"], os.environ["PUSHI_APP_ID"]


def expect(kind: type[T], answer: object) -> T:
    """The answer, of the expected type."""
    assert isinstance(answer, kind), answer
    return answer


credentials = Credentials(app_id=ident, app_key=os.environ["PUSHI_APP_KEY"], app_secret=os.environ["PUSHI_APP_SECRET"])
token = expect(SessionToken, login.sync(client=Client(base_url=url), body=credentials)).token
session = AuthenticatedClient(base_url=url, token=token)
admin = AuthenticatedClient(base_url=url, token=os.environ["PUSHI_ADMIN"])
unknown = AuthenticatedClient(base_url=url, token="unknown")

more = Publication(channel=["steps"], event="more", data="more")
more["extra"] = {"a": [1, None]}
publications = [
    Publication(channel=["steps"], event="text", data="a text"),
    Publication(channel=["steps"], event="object", data={"n": 1}),
    Publication(channel=["first", "second"], event="two", data="two"),
    more,
    Publication(data="alone"),
]
published = [expect(Done, publish_event.sync(client=session, body=one)).result for one in publications]

wish = SubscriptionWish(user_id="ann", event="news")
subscribed = expect(Subscription, create_subscription.sync(client=session, body=wish))
listed = expect(SubscriptionList, list_subscriptions.sync(client=session, user_id="ann"))
ended = expect(EndedSubscription, delete_subscription.sync("ann", "news", client=session))
again = expect(EndedSubscription, delete_subscription.sync("ann", "news", client=session))
renamed = expect(App, update_app.sync(ident, client=session, body=AppChange(name="renamed")))
reset = AppChange(reset=[AppChangeResetType0Item.CLIENT_EVENTS])
changed = expect(App, update_app.sync(ident, client=session, body=reset))
event = expect(EventList, list_events.sync(client=session, count=1, channel="steps")).events[0]

print(
    json.dumps(
        {
            "published": published,
            "subscribed": subscribed.event,
            "listed": [one.event for one in listed.subscriptions],
            "ended": [ended.event, again.result],
            "renamed": renamed.name,
            "reset": changed.client_events,
            "event": event.data.event,
            "time": event.timestamp,
            "missing": expect(ErrorAnswer, get_socket.sync("1.1", client=session)).code,
            "unauthorized": expect(ErrorAnswer, list_sockets.sync(client=unknown)).code,
            "created": expect(App, create_app.sync(client=admin, body=AppDraft(name="created"))).ident,
            "health": expect(DetailedHealth, get_detailed_health.sync(client=admin)).checks.database.status.value,
        }
    )
)
