"""Request bodies that are large or slow."""

import asyncio

from .target import Line, Target, request

BODY = 256 * 1024
JSON = "application/json"


def begin(target: Target, index: int, size: int) -> bytes:
    """The head of a request to one of the routes that read a body: with a session, anonymous, with a signature."""
    signed = f"auth_key={target.key}&auth_timestamp=1&auth_version=1.0&auth_signature={'0' * 64}"
    path = [f"/events?sid={target.token}", "/login", f"/apps/{target.ident}/events?{signed}"][index % 3]
    return request("POST", path, size=size, Content_Type=JSON)


async def trickled_bodies(target: Target) -> None:
    """Bodies of 20,000 bytes, each byte a packet of its own."""

    async def work(index: int) -> None:
        line = await target.http()
        await line.send(begin(target, index, 20_001))
        for _ in range(20_000):
            await line.send(b" ")
            target.count("bytes")
            await asyncio.sleep(0.001)

    await target.together(6, work)


async def slow_bodies(target: Target) -> None:
    """Bodies of the largest size, of which a part arrives at once and then a byte a second."""

    async def work(index: int) -> None:
        line = await target.http()
        await line.send(begin(target, index, BODY))
        for _ in range(16):
            await line.send(b" " * 4000)
            target.count("bytes", 4000)
            await asyncio.sleep(0.2)
        while True:
            await line.send(b" ")
            await asyncio.sleep(1)

    await target.together(300, work)


async def large_bodies(target: Target) -> None:
    """Large bodies of nobody, to `/login` and to the signed routes."""

    async def read(line: Line) -> None:
        try:
            await line.drain()
        except (OSError, EOFError):
            target.count("answers")

    async def work(index: int) -> None:
        line = await target.http()
        reading = asyncio.ensure_future(read(line))
        try:
            # Half of them announce more than the limit.
            await line.send(begin(target, 1 + index % 2, BODY if index % 4 < 2 else 64 * BODY))
            for _ in range(64):
                await line.send(b" " * 4096)
                target.count("bytes", 4096)
            await asyncio.wait_for(reading, 5)
        except TimeoutError:
            target.count("unanswered")
        finally:
            reading.cancel()

    await target.together(40, work)
