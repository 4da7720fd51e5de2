"""A proxy before a server that counts requests, waits, and does what networks do wrong.

Run as a process of its own::

    python proxy.py http 9000      # requests of HTTP, to 127.0.0.1:9000
    python proxy.py tcp 6379       # bytes of any protocol

It prints its port and a second one, where it is told what to do: a JSON object a line, answered by one.

==========================================  =====================================================
``{"latency": 0.05}``                       seconds that every answer takes longer
``{"fault": ..., "match": ..., "times"}``   what goes wrong with the next requests that fit; `FAULTS`
``{"clear": true}``                         forget requests, faults and latency
``{}``                                      nothing
==========================================  =====================================================

Each answer tells ``requests`` (``"GET /path?query"`` and the Range, if any, or the name of what is uploaded),
``rounds`` (how often a request came while none was being answered for as long as the latency) and ``most`` at a time.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

FAULTS = {
    "reset": "the connection is reset before the answer",
    "stall": "no answer ever comes",
    "truncate": "half of the answer's body comes, then the connection ends",
    "whole": "the Range of a request is overlooked",
    "status": "an answer of that status, such as status 503",
}


@dataclass
class Fault:
    kind: str
    match: re.Pattern[str]
    times: int
    status: int = 500


@dataclass
class State:
    """What the proxy has been told, and what it has seen."""

    latency: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    in_flight: int = 0
    most: int = 0
    rounds: int = 0
    round_began: float = -1e9

    def tell(self, order: dict) -> dict:
        if order.get("clear"):
            in_flight = self.in_flight
            self.__init__()  # type: ignore[misc]
            self.in_flight = in_flight
        self.latency = order.get("latency", self.latency)
        if "fault" in order:
            match = re.compile(order.get("match", ""))
            self.faults.append(
                Fault(order["fault"], match, order.get("times", 1 << 30), order.get("status", 500))
            )
        return {"requests": self.requests, "rounds": self.rounds, "most": self.most}

    def arrived(self, request: str) -> Fault | None:
        """Count a request; the fault that is to befall it."""
        now = time.monotonic()
        if now - self.round_began > self.latency * 0.7:
            self.rounds += 1
            self.round_began = now
        self.requests.append(request)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        for fault in self.faults:
            if fault.times > 0 and fault.match.search(request):
                fault.times -= 1
                return fault
        return None


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a machine that fails does, not in order."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# ------------------------------------------------------------------- HTTP


@dataclass
class Message:
    """A request or an answer: its first line, headers as they came, and body."""

    first: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def without(self, *names: str) -> list[tuple[str, str]]:
        return [(key, value) for key, value in self.headers if key.lower() not in names]

    def encoded(self, body: bytes | None = None) -> bytes:
        lines = [self.first, *(f"{key}: {value}" for key, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1") + (self.body if body is None else body)


async def read_message(
    reader: asyncio.StreamReader, to_head: bool = False, writer: asyncio.StreamWriter | None = None
) -> Message | None:
    """The next message of a connection; None at its end. A client that asks before it sends a body gets its yes."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    message = Message(
        first, [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines]
    )  # type: ignore[misc]
    if to_head or (first.startswith("HTTP/") and first.split(" ")[1] in ("204", "304")):
        return message
    if writer is not None and message.get("expect"):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if (message.get("transfer-encoding") or "").lower() == "chunked":
        message.body = await read_chunked(reader)
        message.headers = [*message.without("transfer-encoding"), ("Content-Length", str(len(message.body)))]
    else:
        message.body = await reader.readexactly(int(message.get("content-length") or 0))
    return message


async def read_chunked(reader: asyncio.StreamReader) -> bytes:
    pieces = []
    while True:
        nbytes = int((await reader.readline()).split(b";")[0], 16)
        pieces.append(await reader.readexactly(nbytes))
        await reader.readline()
        if not nbytes:
            return b"".join(pieces)


def told_besides(request: Message) -> Iterator[str]:
    """What else says what a request asks for: its range, and the name of an object in the body of an upload to GCS."""
    wanted = request.get("range") or request.get("x-ms-range")
    if wanted:
        yield wanted
    if "uploadType=multipart" in request.first:
        named = re.search(rb'"name": ?"([^"]*)"', request.body[:1000])
        if named:
            yield named[1].decode()


class HttpProxy:
    """Passes requests on, over connections that it keeps."""

    def __init__(self, state: State, upstream: int) -> None:
        self.state = state
        self.upstream = upstream
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await read_message(reader, writer=writer)) is not None:
                if request.get("expect"):
                    request.headers = request.without("expect")
                if not await self.answer(request, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def answer(self, request: Message, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; whether the connection goes on."""
        method, path, _ = request.first.split(" ", 2)
        fault = self.state.arrived(" ".join([method, path, *told_besides(request)]))
        try:
            return await self.answer_with(fault, request, method, writer)
        finally:
            self.state.in_flight -= 1

    async def answer_with(
        self, fault: Fault | None, request: Message, method: str, writer: asyncio.StreamWriter
    ) -> bool:
        kind = fault.kind if fault else ""
        if self.state.latency:
            await asyncio.sleep(self.state.latency)
        if kind == "reset":
            reset(writer)
            return False
        if kind == "stall":
            await asyncio.sleep(3600)
        if kind == "whole":
            request.headers = request.without("range", "x-ms-range", "if-range")
        if fault is not None and kind == "status":
            writer.write(f"HTTP/1.1 {fault.status} Fault\r\nContent-Length: 5\r\n\r\n".encode())
            if method != "HEAD":
                writer.write(b"fault")
            await writer.drain()
            return True
        answer = await self.ask(request, method)
        if kind == "truncate":
            writer.write(answer.encoded(answer.body[: len(answer.body) // 2]))
            await writer.drain()
            return False
        writer.write(answer.encoded())
        await writer.drain()
        return True

    async def ask(self, request: Message, method: str) -> Message:
        while True:
            fresh = not self.idle
            reader, writer = (
                await asyncio.open_connection("127.0.0.1", self.upstream, limit=1 << 20)
                if fresh
                else self.idle.pop()
            )
            try:
                writer.write(request.encoded())
                await writer.drain()
                answer = await read_message(reader, method == "HEAD")
            except (ConnectionError, asyncio.IncompleteReadError):
                answer = None
            if answer is None:
                writer.close()
                if fresh:
                    raise ConnectionError("the server gave no answer")
                continue
            if (answer.get("connection") or "").lower() == "close" or answer.first.startswith("HTTP/1.0"):
                writer.close()
                answer.headers = answer.without("connection")
                answer.first = answer.first.replace("HTTP/1.0", "HTTP/1.1")
            else:
                self.idle.append((reader, writer))
            return answer


# -------------------------------------------------------------------- TCP


class TcpProxy:
    """Passes bytes on; what comes from the client in one piece counts as a request."""

    def __init__(self, state: State, upstream: int) -> None:
        self.state = state
        self.upstream = upstream

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.upstream)
        ended = [False, 0]  # whether the answer is to be cut, and after how many bytes
        pump = asyncio.ensure_future(self.answers(there, writer, ended))
        try:
            while data := await reader.read(1 << 16):
                fault = self.state.arrived(repr(data[:200]))
                self.state.in_flight -= 1
                if self.state.latency:
                    await asyncio.sleep(self.state.latency)
                kind = fault.kind if fault else ""
                if kind == "reset":
                    reset(writer)
                    return
                if kind == "stall":
                    await asyncio.sleep(3600)
                if kind == "truncate":
                    ended[:] = [True, 20]
                back.write(data)
                await back.drain()
        except ConnectionError:
            pass
        finally:
            pump.cancel()
            back.close()
            writer.close()

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ended: list) -> None:
        try:
            while data := await reader.read(1 << 16):
                if ended[0]:
                    writer.write(data[: ended[1]])
                    await writer.drain()
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass


async def control(state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(json.dumps(state.tell(json.loads(line))).encode() + b"\n")
        await writer.drain()
    writer.close()


async def main(kind: str, upstream: int) -> None:
    state = State()
    proxy = {"http": HttpProxy, "tcp": TcpProxy}[kind](state, upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=1 << 20, backlog=1024)
    ordered = await asyncio.start_server(lambda r, w: control(state, r, w), "127.0.0.1", 0)
    print(*(each.sockets[0].getsockname()[1] for each in (server, ordered)), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
