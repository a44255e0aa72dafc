"""What `schemathesis` loads to reach the signed routes: it names the app, and signs each request as it is sent."""

import hashlib
import hmac
import os
import re
import time
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import requests
import schemathesis
import words  # noqa: F401 (its hooks)

IDENT, KEY, SECRET = (os.environ[f"PUSHI_SIGNING_{name}"] for name in ("IDENT", "KEY", "SECRET"))
SIGNED = r"^/apps/\{app_id\}/(events|batch_events|channels|users)"


class Signature(requests.auth.AuthBase):
    """The signature of the Pusher HTTP API, over what `requests` is about to send."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        if not isinstance(body, bytes):
            body = body.encode()
        parts = urlsplit(request.url or "")
        sent = parse_qsl(parts.query, keep_blank_values=True)
        query = [pair for pair in sent if not pair[0].startswith(("auth_", "body_md5"))]
        query += [("auth_key", KEY), ("auth_timestamp", str(int(time.time()))), ("auth_version", "1.0")]
        query.append(("body_md5", hashlib.md5(body).hexdigest()))
        signed = "&".join(f"{name}={value}" for name, value in sorted((name.lower(), value) for name, value in query))
        text = f"{request.method}\n{unquote(parts.path)}\n{signed}"
        query.append(("auth_signature", hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()))
        request.url = urlunsplit(parts._replace(query=urlencode(query)))
        return request


schemathesis.auth.set_from_requests(Signature()).apply_to(path_regex=SIGNED)


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any]) -> dict[str, Any]:
    """There is only one app; other ids answer 404."""
    if "app_id" in (path_parameters or {}):
        path_parameters["app_id"] = IDENT
    return path_parameters


@schemathesis.hook
def map_query(context: Any, query: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI cannot express that only presence channels have a `user_count`."""
    info = (query or {}).get("info")
    if isinstance(info, str) and re.search("user_count", info):
        query["info"] = info.replace("user_count", "subscription_count")
    return query


@schemathesis.hook
def filter_query(context: Any, query: dict[str, Any]) -> bool:
    """Unknown parameters are signed like the others and ignored, which is not a violation."""
    return set(query or {}) <= {"filter_by_prefix", "info", "auth_signature"}
