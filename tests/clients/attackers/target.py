"""The server under attack, and connections to it."""

import asyncio
import base64
import json
import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

# Seconds before a connection that failed is opened again.
PAUSE = 0.05


@dataclass
class Target:
    """The target of an attack, its credentials and its duration."""

    app_port: int
    server_port: int
    # The address that the attack comes from: each has its own, since the server has limits for an address.
    source: str
    seconds: float
    # The attacked app: an attack either knows only `key` or is its back end.
    ident: str
    key: str
    secret: str
    token: str
    counts: dict[str, int] = field(default_factory=dict)
    deadline: float = 0.0

    async def run(self, attack: Callable[["Target"], Awaitable[None]]) -> None:
        """Runs an attack and ends it in time, whatever it waits for."""
        self.deadline = time.monotonic() + self.seconds
        try:
            async with asyncio.timeout(self.seconds):
                await attack(self)
        except TimeoutError:
            pass

    def count(self, what: str, number: int = 1) -> None:
        """Adds to a count of the report."""
        self.counts[what] = self.counts.get(what, 0) + number

    async def together(self, number: int, work: Callable[[int], Awaitable[None]]) -> None:
        """Runs `work` on `number` connections, each again and again; a lost connection is replaced."""

        async def repeat(index: int) -> None:
            while True:
                try:
                    await work(index)
                except (OSError, EOFError):
                    self.count("closed")
                await asyncio.sleep(PAUSE)

        await asyncio.gather(*(repeat(index) for index in range(number)))

    async def http(self, receive_buffer: int | None = None) -> "Line":
        """A connection to the REST API."""
        return await Line.open(self, self.app_port, receive_buffer)

    async def websocket(self, path: str | None = None, receive_buffer: int | None = None) -> "Line":
        """An upgraded connection whose greeting was read."""
        line = await Line.open(self, self.server_port, receive_buffer)
        key = base64.b64encode(os.urandom(16)).decode()
        await line.send(
            f"GET {path or '/' + self.key} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = await line.until(b"\r\n\r\n")
        if b" 101 " not in head:
            raise EOFError
        greeting = await line.until(b'}"}')
        greeting = json.loads(greeting[greeting.index(b'{"') :])
        line.socket_id = json.loads(greeting["data"])["socket_id"]
        return line


class Line:
    """A TCP connection; it is closed when it is no longer referenced."""

    def __init__(self, tcp: socket.socket) -> None:
        self.tcp = tcp
        self.rest = b""
        self.socket_id = ""

    @classmethod
    async def open(cls, target: Target, port: int, receive_buffer: int | None = None) -> "Line":
        """Connects from the address of the attack."""
        tcp = socket.socket()
        tcp.setblocking(False)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer is not None:
            # Before connecting, or the window has been offered already.
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        tcp.bind((target.source, 0))
        await asyncio.get_running_loop().sock_connect(tcp, ("127.0.0.1", port))
        target.count("connections")
        return cls(tcp)

    async def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        await asyncio.get_running_loop().sock_sendall(self.tcp, data)

    async def receive(self) -> bytes:
        """Some bytes; `EOFError` at the end."""
        more = await asyncio.get_running_loop().sock_recv(self.tcp, 262_144)
        if not more:
            raise EOFError
        return more

    async def until(self, mark: bytes) -> bytes:
        """The bytes up to and including `mark`."""
        while mark not in self.rest:
            self.rest += await self.receive()
        taken, found, self.rest = self.rest.partition(mark)
        return taken + found

    async def drain(self) -> None:
        """Receives and discards everything until the end."""
        while await self.receive():
            pass

    async def ended(self) -> None:
        """Waits, without reading, until the server has ended the connection."""
        while self.tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_ESTABLISHED:
            await asyncio.sleep(0.2)
        self.tcp.close()
        raise EOFError

    async def response(self) -> int:
        """The status of the response of a kept connection; its body is discarded."""
        head = (await self.until(b"\r\n\r\n")).lower()
        size = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(self.rest) < size:
            self.rest += await self.receive()
        self.rest = self.rest[size:]
        if b"connection: close" in head:
            self.tcp.close()
        return int(head[9:12])


# The state of a TCP connection that neither side has closed.
TCP_ESTABLISHED = 1


def frame(event: str, data: Any, **members: Any) -> bytes:
    """A text frame of the protocol, masked with zeros, which leave its bytes as they are."""
    text = json.dumps({"event": event, "data": data, **members}).encode()
    if len(text) < 126:
        head = struct.pack("!BB", 0x81, 0x80 | len(text))
    elif len(text) < 65_536:
        head = struct.pack("!BBH", 0x81, 0x80 | 126, len(text))
    else:
        head = struct.pack("!BBQ", 0x81, 0x80 | 127, len(text))
    return head + b"\0\0\0\0" + text


def request(method: str, path: str, body: bytes = b"", size: int | None = None, **headers: str) -> bytes:
    """A request; `size` replaces the size of the body that is announced."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body) if size is None else size}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
