"""What the example in Python uses of nats-py, for machines that do not have it: one connection that speaks core NATS."""

import asyncio
import json
import uuid
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit


class Client:
    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer
        self._callbacks = {}

    async def publish(self, subject, payload=b"", reply=""):
        self._send(f"PUB {subject} {reply} {len(payload)}", payload)
        await self._writer.drain()

    async def request(self, subject, payload=b"", timeout=0.5):
        inbox, answer = f"_INBOX.{uuid.uuid4().hex}", asyncio.get_running_loop().create_future()

        async def answered(message):
            if not answer.done():
                answer.set_result(message)

        await self.subscribe(inbox, cb=answered)
        await self.publish(subject, payload, inbox)
        return await asyncio.wait_for(answer, timeout)

    async def subscribe(self, subject, cb):
        sid = str(len(self._callbacks) + 1)
        self._callbacks[sid] = cb
        self._send(f"SUB {subject} {sid}")
        await self._writer.drain()

    def _send(self, line, payload=None):
        body = b"" if payload is None else payload + b"\r\n"
        self._writer.write(line.encode() + b"\r\n" + body)

    async def _read(self):
        while line := (await self._reader.readline()).decode().split():
            if line[0] == "PING":
                self._send("PONG")
            elif line[0] == "-ERR":
                raise ConnectionError(" ".join(line))
            elif line[0] == "MSG":
                size = int(line[-1])
                data = (await self._reader.readexactly(size + 2))[:size]
                await self._callbacks[line[2]](SimpleNamespace(subject=line[1], data=data))


async def connect(url):
    address = urlsplit(url)
    client = Client(*await asyncio.open_connection(address.hostname, address.port or 4222))
    await client._reader.readline()  # INFO
    options = {"verbose": False, "pedantic": False, "lang": "python", "version": "0"}
    if address.username:
        options |= {"user": unquote(address.username), "pass": unquote(address.password or "")}
    client._send(f"CONNECT {json.dumps(options)}")
    client._reading = asyncio.create_task(client._read())
    return client
