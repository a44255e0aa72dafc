"""Uses the server through a generated client: a wrong operation, parameter or member does not type-check."""

import json
import os

from pushi_generated import AuthenticatedClient
from pushi_generated.api.apps import create_app, get_app
from pushi_generated.api.events import publish_event
from pushi_generated.api.subscriptions import create_subscription, list_subscriptions
from pushi_generated.models import (
    App,
    AppDraft,
    Done,
    ErrorAnswer,
    Publication,
    Subscription,
    SubscriptionList,
    SubscriptionWish,
)

admin = AuthenticatedClient(base_url=os.environ["PUSHI_URL"], token=os.environ["PUSHI_ADMIN"])
session = AuthenticatedClient(base_url=os.environ["PUSHI_URL"], token=os.environ["PUSHI_SESSION"])

created = create_app.sync(client=admin, body=AppDraft(name="made by the generated client"))
assert isinstance(created, App), created

publication = Publication(channel=["global"], event="message", data="from the generated client", persist=True)
published = publish_event.sync(client=session, body=publication)
assert isinstance(published, Done), published

subscribed = create_subscription.sync(client=session, body=SubscriptionWish(user_id="ann", event="news"))
assert isinstance(subscribed, Subscription), subscribed
listed = list_subscriptions.sync(client=session, user_id="ann")
assert isinstance(listed, SubscriptionList), listed

missing = get_app.sync("no-such-app", client=admin)
assert isinstance(missing, ErrorAnswer), missing

print(
    json.dumps(
        {
            "created": created.ident,
            "published": published.result,
            "subscriptions": [[one.user_id, one.event] for one in listed.subscriptions],
            "missing": missing.code,
        }
    )
)
