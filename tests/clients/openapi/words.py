"""What `schemathesis` loads for what the document states only in words: types for it break generated clients."""

import re
from typing import Any
from urllib.parse import unquote

import schemathesis

# A browser's keys and a sender's, of RFC 8291: no pattern describes the points of a curve.
P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
# An address that is refused at once, so that no answer waits for a receiver.
ADDRESS = "http://127.0.0.1/"
# Control characters that a pattern cannot exclude in every language.
C1 = re.compile("[\x80-\x9f]")
INT32 = range(-(2**31), 2**31)
# Settings whose form their descriptions state: keys, certificates, addresses, identifiers.
CREDENTIALS = (
    "apn_key",
    "apn_cer",
    "apn_key_id",
    "apn_team_id",
    "apn_topic",
    "vapid_key",
    "vapid_email",
    "smtp_url",
)
# The same in direct messages. An empty string stands for the app's own.
GIVEN = ("key_data", "cer_data", "smtp_host", "smtp_user", "smtp_password", "smtp_sender")
# Lists of direct messages, in whose place a string is accepted.
TARGETS = ("adapters", "tokens", "apn_tokens", "to", "email_to", "urls", "webhook_urls")
# Credentials, which a queued message cannot have.
NOT_QUEUED = ("key_data", "cer_data", "sandbox", "smtp_", "vapid_")
REGISTRATIONS = ("/webs", "/web_pushes", "/smtps", "/apns")
CONNECTIONS = ("/apps/{ident}/connections", "/apps/{ident}/closed_connections")
ADAPTERS = ("apn", "email", "smtp", "webhook", "web", "web_push", "webpush")
# What their types allow.
TEXT = re.compile(r"[^\x00]{0,20000}")


def strings(value: Any) -> list[str]:
    """Every string in a value, names included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return []


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leaves out requests that the document's types and its words judge differently."""
    parts = (case.path_parameters, case.query, case.body)
    if any(
        C1.search(unquote(text)) for part in parts for text in strings(dict(part) if hasattr(part, "items") else part)
    ):
        return False
    body = case.body
    if not isinstance(body, dict):
        return True
    # One channel as a string, and a user's id as an integer, are accepted.
    path = case.operation.path
    publishes = path in ("/events", "/apps/{ident}/publish")
    accepted = (publishes and isinstance(body.get("channel"), str)) or isinstance(body.get("user_id"), int)
    # One target of a direct message as a string is, too.
    accepted = accepted or any(isinstance(body.get(name), str) for name in TARGETS)
    # So is true as the HTML of an e-mail whose text is HTML.
    accepted = accepted or any(isinstance(body.get(name), bool) for name in ("html", "email_html"))
    # Which members a key has depends on its type.
    keys = body.get("token_keys")
    if isinstance(keys, dict) and keys.get("keys"):
        return False
    # A setting is either set or reset.
    reset = body.get("reset")
    if isinstance(reset, list) and any(isinstance(name, str) and body.get(name) is not None for name in reset):
        return False
    # The document cannot say that one of several members is needed.
    if not has_targets(path, body):
        return False
    # A queued message is sent with the app's credentials, through adapters that there are.
    if body.get("queue") is True and not can_be_queued(body):
        return False
    if path in REGISTRATIONS and not is_condition(body):
        return False
    # `data` is any JSON but null.
    return not accepted and body.get("data", "") is not None


def can_be_queued(body: dict[str, Any]) -> bool:
    """Whether a direct message has nothing that excludes `queue`."""
    adapters = body.get("adapters")
    named = adapters if isinstance(adapters, list) else []
    has_credentials = any(name.startswith(NOT_QUEUED) for name in body)
    return not has_credentials and all(str(name).lower() in ADAPTERS for name in named)


def is_condition(body: dict[str, Any]) -> bool:
    """Whether `delay` and `user_id` come with `when`, as only words require. Null is accepted as missing."""
    if any(body.get(name, "") is None for name in ("when", "delay", "user_id")):
        return False
    if body.get("when") == "away":
        return bool(body.get("user_id"))
    return "user_id" not in body and "delay" not in body


def put_in_words(body: dict[str, Any]) -> None:
    """Gives what the document allows in a direct message the form that its words require; what it excludes stays."""

    def is_address(value: Any) -> bool:
        return isinstance(value, str) and bool(re.match("https?://", value))

    for name in ("endpoint", "url"):
        if is_address(body.get(name)):
            body[name] = ADDRESS
    for name, value in (("p256dh", P256DH), ("auth", AUTH), ("vapid_private_key", PRIVATE)):
        if isinstance(body.get(name), str):
            body[name] = value
    for name in ("urls", "webhook_urls"):
        urls = body.get(name)
        if isinstance(urls, list) and 0 < len(urls) <= 100 and all(map(is_address, urls)):
            body[name] = [ADDRESS]
    for name in ("subscriptions", "web_push_subscriptions"):
        for browser in body[name] if isinstance(body.get(name), list) else []:
            if isinstance(browser, dict):
                put_in_words(browser)
    for name in ("message", "web_push_message", "data"):
        if body.get(name) is not None:
            body[name] = {"title": "x"}
    for name in ("headers", "webhook_headers"):
        headers = body.get(name)
        if isinstance(headers, dict) and all(isinstance(value, str) for value in headers.values()):
            body[name] = {"X-Source": "shop"}


def has_targets(path: str, body: dict[str, Any]) -> bool:
    """Whether a direct message has what only words require: one of two forms of its targets, and an adapter."""
    required = {
        "/messaging/webhook": ["urls", "url"],
        "/messaging/web_push": ["subscriptions", "endpoint"],
        "/messaging/send": ["adapters"],
    }
    names = required.get(path)
    if names is None:
        return True
    given = next((body[name] for name in names if body.get(name)), None)
    if path == "/messaging/web_push" and given is body.get("endpoint"):
        return bool(given and body.get("p256dh") and body.get("auth"))
    return bool(given)


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    """`over_capacity` is one of two integers; few strings are credentials, and the empty one resets them."""
    # An address or a network: no pattern describes those of IPv6.
    query = case.query if isinstance(case.query, dict) else {}
    if case.operation.path in CONNECTIONS and isinstance(query.get("address"), str) and len(query["address"]) <= 43:
        query["address"] = "10.0.0.0/8"
    body = case.body
    # A stream has no end, and a poll waits.
    query = case.query
    if case.operation.path.startswith("/stream/") and case.method.upper() == "GET" and query is not None:
        if query.get("wait") in (None, *range(1, 61)):
            query["wait"] = 0
        for name in ("since", "Last-Event-ID"):
            query.pop(name, None)
    if not isinstance(body, dict):
        return case
    if case.operation.path.startswith("/messaging/"):
        put_in_words(body)
        for name in GIVEN:
            if isinstance(body.get(name), str):
                body[name] = ""
        # The message may be any JSON but null.
        if case.operation.path == "/messaging/apn" and "message" in body:
            body["message"] = body["message"] or "hi"
    if case.operation.path in REGISTRATIONS:
        for name, value, longest in (("email", "ann@shop.example", 254), ("token", "a1" * 32, 200)):
            if isinstance(body.get(name), str) and re.fullmatch(rf"[^\x00-\x1f\x7f]{{1,{longest}}}", body[name]):
                body[name] = value
    if "when" in body and isinstance(body.get("delay"), str):
        body["delay"] = "30s"
    if type(body.get("over_capacity")) is int and body["over_capacity"] in INT32:
        body["over_capacity"] = 4100 if body["over_capacity"] % 2 else 4004
    for name in CREDENTIALS:
        if isinstance(body.get(name), str) and TEXT.fullmatch(body[name]):
            body[name] = ""
    return case
