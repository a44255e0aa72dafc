"""Answers over WebSockets that are large, or are not read."""

import asyncio
import hashlib
import hmac
import json

from .target import Line, Target, frame


async def drained(line: Line) -> None:
    """Reads everything until the connection ends."""
    try:
        await line.drain()
    except (OSError, EOFError):
        return


async def unread_answers(target: Target) -> None:
    """Histories and replays of an anonymous client that does not read."""

    async def work(index: int) -> None:
        line = await target.websocket(receive_buffer=2048)
        if index % 2:
            await line.send(frame("pusher:subscribe", {"channel": "large"}))
            asked = frame("pusher:latest", {"channel": "large", "count": 100})
        else:
            asked = frame("pusher:subscribe", {"channel": "long", "since": 0})
        for _ in range(100):
            await line.send(asked)
            target.count("requests")
        await line.ended()

    await target.together(100, work)


async def latest_requests(target: Target) -> None:
    """Requests of 64 bytes for a large history, whose answers are read."""
    asked = frame("pusher:latest", {"channel": "large", "count": 100})

    async def work(_: int) -> None:
        line = await target.websocket()
        await line.send(frame("pusher:subscribe", {"channel": "large"}))
        reading = asyncio.ensure_future(drained(line))
        try:
            while not reading.done():
                await line.send(asked)
                target.count("requests")
                await asyncio.sleep(0.05)
        finally:
            reading.cancel()

    await target.together(24, work)


async def presence_lists(target: Target) -> None:
    """A presence channel of large members, who request the list again and again and do not read it."""

    async def work(index: int) -> None:
        line = await target.websocket(receive_buffer=2048)
        text = f"{line.socket_id}:presence-crowd"
        auth = f"{target.key}:{hmac.new(target.secret.encode(), text.encode(), hashlib.sha256).hexdigest()}"
        data = json.dumps({"user_id": f"u{index}", "text": "x" * 900})
        asked = frame("pusher:subscribe", {"channel": "presence-crowd", "auth": auth, "channel_data": data})
        for _ in range(100):
            await line.send(asked)
            target.count("requests")
        await line.ended()

    await target.together(300, work)
