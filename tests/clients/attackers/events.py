"""Events for the queues of the server: webhooks, the outbox, publishes."""

import asyncio
import json

from .sockets import drained
from .target import Target, frame, request

# What the accepted wide publishes may write into the store.
WRITTEN = 3 * 1000**3
PAYLOAD = 248_000


async def subscribe_and_leave(target: Target) -> None:
    """130,000 frames of one anonymous connection, again and again."""

    async def work(_: int) -> None:
        line = await target.websocket()
        reading = asyncio.ensure_future(drained(line))
        try:
            for number in range(0, 65_000, 50):
                frames = b""
                for channel in range(number, number + 50):
                    frames += frame("pusher:subscribe", {"channel": f"c{channel}"})
                    frames += frame("pusher:unsubscribe", {"channel": f"c{channel}"})
                await line.send(frames)
                target.count("frames", 100)
        finally:
            reading.cancel()

    await target.together(1, work)


async def client_events(target: Target) -> None:
    """Large `client-` events in both dialects, on an app that does not allow them."""

    async def work(index: int) -> None:
        line = await target.websocket(f"/app/{target.key}?protocol=7" if index % 2 else None)
        reading = asyncio.ensure_future(drained(line))
        try:
            await line.send(frame("pusher:subscribe", {"channel": "talk"}))
            flood = frame("client-note", "x" * 60_000, channel="talk", persist=False)
            while not reading.done():
                await line.send(flood)
                target.count("events")
                await asyncio.sleep(0.01)
        finally:
            reading.cancel()

    await target.together(8, work)


async def wide_publishes(target: Target) -> None:
    """Eight publishers of one large payload to 1,000 channels, and to 50 after that."""
    written = 0

    async def work(index: int) -> None:
        nonlocal written
        line = await target.http()
        width = 1000
        while written < WRITTEN:
            channels = [f"w{number}" for number in range(width)]
            body = json.dumps({"channel": channels, "data": "x" * PAYLOAD, "persist": True}).encode()
            written += width * PAYLOAD
            await line.send(request("POST", f"/events?sid={target.token}", body, Content_Type="application/json"))
            target.count("publishes")
            status = await line.response()
            target.count(f"status {status}")
            if status == 429:
                written -= width * PAYLOAD
                await asyncio.sleep(0.5)
            elif width == 1000:
                width = 50
        await asyncio.sleep(target.seconds)

    await target.together(8, work)
