"""A client of each generator: generated and compiled without a warning, then used by a program."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from fixtures.server import ADMIN_TOKEN, Server
from generated.generators import GENERATORS, Generator
from generated.workshop import Workshop, prepare

# Settings that a client must not change by what it does not set.
SETTINGS = {
    "description": "kept",
    "client_events": True,
    "replay": {"steps": 5},
    "max_members": 50,
    "over_capacity": 4100,
}
# A compiler takes up to 2 GB.
AT_ONCE = min(os.cpu_count() or 1, 2)


@pytest.fixture(scope="module")
def builds(server: Server, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[tuple[Workshop, list[str]]]]]:
    """Builds the clients of all selected tests, several at a time."""
    chosen = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}
    document = server.http.get("/openapi.json").text
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            one.name: pool.submit(prepare, one.name, server.url, document, one.build)
            for one in GENERATORS
            if one.name in chosen
        }
        pool.shutdown(cancel_futures=True)


# The first build on a new machine compiles the generators' dependencies.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.name)
def test_a_client_is_generated_and_used(
    generator: Generator, builds: dict[str, Future[tuple[Workshop, list[str]]]], launch: Callable[..., Server]
) -> None:
    workshop, program = builds[generator.name].result()
    server = launch()
    app = server.create_app("generated", settings=SETTINGS)
    before = app.rest.get(f"/apps/{app.ident}").json()
    readers = {channel: app.connect_to(channel) for channel in ("steps", "first", "second", "global")}
    settings = {"URL": server.url, "ADMIN": ADMIN_TOKEN}
    settings |= {"APP_ID": app.ident, "APP_KEY": app.key, "APP_SECRET": app.secret}

    read = json.loads(workshop.use(program, {f"PUSHI_{name}": value for name, value in settings.items()}))

    publishes = 5 if generator.additional_members else 4
    assert read["published"] == ["success"] * publishes
    assert readers["steps"].expect("text", "steps")["data"] == "a text"
    assert json.loads(readers["steps"].expect("object", "steps")["data"]) == {"n": 1}
    for channel in ("first", "second"):
        assert readers[channel].expect("two", channel)["data"] == "two"
    if generator.additional_members:
        assert readers["steps"].expect("more", "steps")["extra"] == {"a": [1, None]}
    assert readers["global"].expect("message", "global")["data"] == "alone"

    newest = app.history("steps", count=1)[0]
    assert read["event"] == newest["data"]["event"]
    assert read["time"] == pytest.approx(newest["timestamp"], abs=0.01)

    assert (read["subscribed"], read["listed"], read["ended"]) == ("news", ["news"], ["news", "success"])
    assert app.rest.get("/subscriptions").json() == {"subscriptions": []}

    after = app.rest.get(f"/apps/{app.ident}").json()
    assert (read["renamed"], read["reset"]) == ("renamed", False)
    assert after == {**before, "name": "renamed", "client_events": False, "modified": after["modified"]}

    assert (read["missing"], read["unauthorized"], read["health"]) == (404, 401, "ok")
    assert server.admin.get(f"/apps/{read['created']}").json()["name"] == "created"
    app.close()
