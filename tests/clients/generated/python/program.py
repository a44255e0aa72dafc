"""Uses the client of openapi-generator's `python`; prints what it read."""

import json
import os
from collections.abc import Callable
from typing import Any

from openapi_client import (
    ApiClient,
    ApiException,
    AppChange,
    AppDraft,
    AppsApi,
    Configuration,
    Credentials,
    ErrorAnswer,
    EventsApi,
    HealthApi,
    Publication,
    SessionsApi,
    SocketsApi,
    SubscriptionsApi,
    SubscriptionWish,
)

ident = os.environ["PUSHI_APP_ID"]
credentials = Credentials(app_id=ident, app_key=os.environ["PUSHI_APP_KEY"], app_secret=os.environ["PUSHI_APP_SECRET"])


def client(token: str | None = None) -> ApiClient:
    """A client with a token."""
    return ApiClient(Configuration(host=os.environ["PUSHI_URL"], access_token=token))


def code(operation: Callable[[], Any]) -> int:
    """The code in the typed error of an operation."""
    try:
        operation()
    except ApiException as error:
        assert isinstance(error.data, ErrorAnswer)
        return error.data.code
    raise AssertionError("no error")


token = SessionsApi(client()).login(credentials).token
session, admin = client(token), client(os.environ["PUSHI_ADMIN"])
events, subscriptions, apps = EventsApi(session), SubscriptionsApi(session), AppsApi(session)

more = Publication(channel=["steps"], event="more", data="more")
more.additional_properties["extra"] = {"a": [1, None]}
publications = [
    Publication(channel=["steps"], event="text", data="a text"),
    Publication(channel=["steps"], event="object", data={"n": 1}),
    Publication(channel=["first", "second"], event="two", data="two"),
    more,
    Publication(data="alone"),
]
published = [events.publish_event(publication).result for publication in publications]

subscribed = subscriptions.create_subscription(SubscriptionWish(user_id="ann", event="news"))
listed = subscriptions.list_subscriptions(user_id="ann").subscriptions
ended = subscriptions.delete_subscription("ann", "news")
again = subscriptions.delete_subscription("ann", "news")
renamed = apps.update_app(ident, AppChange(name="renamed"))
reset = apps.update_app(ident, AppChange(reset=["client_events"]))
event = events.list_events(count=1, channel="steps").events[0]

print(
    json.dumps(
        {
            "published": published,
            "subscribed": subscribed.event,
            "listed": [one.event for one in listed],
            "ended": [ended.event, again.result],
            "renamed": renamed.name,
            "reset": reset.client_events,
            "event": event.data.event,
            "time": event.timestamp,
            "missing": code(lambda: SocketsApi(session).get_socket("1.1")),
            "unauthorized": code(lambda: SocketsApi(client("unknown")).list_sockets()),
            "created": AppsApi(admin).create_app(AppDraft(name="created")).ident,
            "health": HealthApi(admin).get_detailed_health().checks.database.status.value,
        }
    )
)
