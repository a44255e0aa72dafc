"""Properties of all responses: error format, headers, CORS, health."""

import json
from collections.abc import Callable

import httpx
import pytest

from fixtures.app import App
from fixtures.problem import problem
from fixtures.server import ROOT, Server


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/health/detailed"])
def test_health(server: Server, path: str) -> None:
    answer = server.http.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "ok"


def test_detailed_health_answers_on_the_first_listener_alone(server: Server) -> None:
    answer = httpx.get(f"http://127.0.0.1:{server.server_port}/health/detailed")
    assert answer.status_code == 404
    assert httpx.get(f"http://127.0.0.1:{server.server_port}/health").status_code == 200


def test_detailed_health_names_the_address_for_clients(server: Server) -> None:
    websocket = server.http.get("/health/detailed").json()["checks"]["websocket"]
    assert websocket["address"].rpartition(":")[2] == str(server.server_port)


def test_detailed_health_asks_for_the_administrator_behind_a_proxy(server: Server) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    problem(server.http.get("/health/detailed", headers=forwarded), 401, 403)
    assert server.admin.get("/health/detailed", headers=forwarded).status_code == 200


@pytest.mark.parametrize("path", ["/no-such-route", "/apps/x/y/z", "/events/7", "/health/nonsense"])
def test_an_unknown_route(app: App, path: str) -> None:
    problem(app.rest.get(path), 404)


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/events"), ("PUT", "/login"), ("PATCH", "/apps")])
def test_a_method_that_a_route_does_not_have(app: App, method: str, path: str) -> None:
    problem(app.rest.request(method, path), 404, 405)


def test_every_error_has_its_own_uid(app: App) -> None:
    uids = {problem(app.rest.get("/no-such-route"), 404)["uid"] for _ in range(5)}
    assert len(uids) == 5


def test_every_answer_forbids_sniffing(app: App) -> None:
    for answer in (
        app.server.http.get("/health"),
        app.server.http.get("/docs"),
        app.server.http.get("/openapi.json"),
        app.rest.get("/subscriptions"),
        app.rest.get("/no-such-route"),
        app.server.http.get("/apps"),
        app.rest.post("/events", json={"data": "x" * 300_000}),
    ):
        assert answer.headers.get("x-content-type-options") == "nosniff", f"{answer.url} {answer.status_code}"


def test_what_holds_a_secret_is_not_stored(app: App) -> None:
    admin = app.server.admin
    for answer in (
        admin.get("/apps"),
        admin.get(f"/apps/{app.ident}"),
        admin.put(f"/apps/{app.ident}", json={}),
        admin.post(f"/apps/{app.ident}/rotate"),
        admin.post("/apps", json={"name": "x"}),
        app.server.http.post("/login", params=app.credentials),
    ):
        assert answer.status_code == 200, answer.text
        assert answer.headers.get("cache-control") == "no-store", str(answer.url)


def test_the_documentation_may_not_be_framed(server: Server) -> None:
    answer = server.http.get("/docs")
    assert answer.status_code == 200 and "swagger" in answer.text.lower()
    policy = answer.headers.get("content-security-policy", "")
    assert answer.headers.get("x-frame-options", "").upper() == "DENY" or "frame-ancestors 'none'" in policy


def cross_origin(server: Server, origin: str) -> list[httpx.Response]:
    """A preflight and a plain request from another origin."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    return [server.http.options("/events", headers=asked), server.http.get("/health", headers={"Origin": origin})]


def test_pages_from_anywhere_may_call_but_never_with_credentials(server: Server) -> None:
    preflight, plain = cross_origin(server, "https://shop.example")
    assert preflight.status_code in (200, 204), preflight.text
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert {"authorization", "content-type", "idempotency-key"} <= {name.strip() for name in allowed.split(",")}
    assert "POST" in preflight.headers["access-control-allow-methods"]
    for answer in (preflight, plain):
        assert answer.headers["access-control-allow-origin"] in ("*", "https://shop.example")
        assert answer.headers.get("access-control-allow-credentials", "false") != "true"


def test_cors_names_the_configured_origins_alone(launch: Callable[..., Server]) -> None:
    server = launch(PUSHI_ALLOWED_ORIGINS="https://shop.example")
    for answer in cross_origin(server, "https://shop.example"):
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert answer.headers.get("access-control-allow-credentials", "false") != "true"
    for answer in cross_origin(server, "https://evil.example"):
        assert answer.headers.get("access-control-allow-origin") not in ("*", "https://evil.example")


def test_the_document_is_served_as_it_is_committed(server: Server) -> None:

    served = server.http.get("/openapi.json")
    assert served.status_code == 200
    assert served.json() == json.loads((ROOT / "openapi/pushi.json").read_text())
