"""Requests that cost the server more than the client."""

import asyncio
import json

from .target import Line, Target, request


async def failed_logins(target: Target) -> None:
    """Logins with a wrong secret, one after another on kept connections."""
    body = json.dumps({"app_id": target.ident, "app_key": target.key, "app_secret": "wrong"}).encode()

    async def work(_: int) -> None:
        line = await target.http()
        while True:
            await line.send(request("POST", "/login", body, Content_Type="application/json"))
            target.count(f"status {await line.response()}")
            await asyncio.sleep(0)

    await target.together(16, work)


async def half_open_connections(target: Target) -> None:
    """Connections to both listeners that send no request, or half of one."""

    async def work(index: int) -> None:
        line = await Line.open(target, (target.app_port, target.server_port)[index % 2])
        if index % 4 > 1:
            await line.send(b"GET /" + b"x" * 8000)
        await line.ended()

    await target.together(800, work)


async def unread_pages(target: Target) -> None:
    """Pages and lists that are requested many times on a connection and not read."""
    paths = [
        "/docs",
        "/openapi.json",
        "/pushi.js",
        f"/events?count=100&channel=large&sid={target.token}",
        f"/sockets?sid={target.token}",
    ]

    async def work(index: int) -> None:
        line = await target.http(receive_buffer=2048)
        for _ in range(100):
            await line.send(request("GET", paths[index % len(paths)]))
            target.count("requests")
        await line.ended()

    await target.together(200, work)
