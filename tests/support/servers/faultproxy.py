#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on loopback that hurts connections: faultproxy.py HOST:PORT

Commands: rules RULE... (each new connection takes the next one; the last one stays) | target HOST:PORT | count (connections)
  pass               nothing                              refuse            reset right after accept
  rst-up:N           reset both ways after N bytes up     fin-up:N          close after N bytes up
  stall-up:N         after N bytes up nothing more passes slow:BPS          bytes a second upwards
  lost-reply[:K]     the server acts, the client is reset when answer K (1) would begin
  trunc-reply:N      N bytes of the answer, then close    stall-reply:N     N bytes of the answer, then nothing
  http503[:S] http500 http507 http403    answer the first request so (Retry-After: S); the server never sees it
  late500            the server gets and does everything; the client reads 500
  etag               the server's ETag header is changed on the way back
  flip:N             one bit of byte N upwards is inverted
  garbage            an answer that is not HTTP
"""
import asyncio
import re
import socket
import struct
import sys
import os
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server_host import Host, serve

STATUS = {
    "http503": ("503 Service Unavailable", "SlowDown"),
    "http500": ("500 Internal Server Error", "InternalError"),
    "http507": ("507 Insufficient Storage", "InsufficientStorage"),
    "http403": ("403 Forbidden", "AccessDenied"),
}


def error_answer(name, retry_after=None):
    status, code = STATUS[name]
    body = '<?xml version="1.0"?><Error><Code>%s</Code><Message>injected</Message></Error>' % code
    head = "HTTP/1.1 %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n" % (status, len(body))
    if retry_after:
        head += "Retry-After: %s\r\n" % retry_after
    return (head + "\r\n" + body).encode()


def reset(writer):
    sock = writer.get_extra_info("socket")
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    except OSError:
        pass


class Proxy:
    def __init__(self, target):
        self.set_target(target)
        self.rules = ["pass"]
        self.next = 0
        self.connections = 0

    def set_target(self, target):
        host, port = target.rsplit(":", 1)
        self.target = (host, int(port))

    def set_rules(self, rules):
        self.rules, self.next = list(rules) or ["pass"], 0

    def pick(self):
        rule = self.rules[min(self.next, len(self.rules) - 1)]
        self.next += 1
        self.connections += 1
        name, _, argument = rule.partition(":")
        return name, int(argument) if argument else None

    async def handle(self, reader, writer):
        name, number = self.pick()
        upstream = None
        try:
            if name == "refuse":
                reset(writer)
            elif name == "garbage":
                await reader.read(100)
                writer.write(b"\x00\x01SSH-2.0-nothttp\r\n\r\n")
                await writer.drain()
            elif name in STATUS:
                await self.answer_at_once(name, number, reader, writer)
            else:
                up_reader, upstream = await asyncio.open_connection(*self.target)
                tasks = [asyncio.ensure_future(self.pump_up(name, number, reader, writer, upstream)),
                         asyncio.ensure_future(self.pump_down(name, number, up_reader, writer, upstream))]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            for end in (writer, upstream):
                if end:
                    end.close()

    @staticmethod
    async def answer_at_once(name, number, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(error_answer(name, number))
        await writer.drain()
        # What the client still sends is read, so that it sees the answer and not a reset.
        try:
            while await asyncio.wait_for(reader.read(1 << 16), 2):
                pass
        except asyncio.TimeoutError:
            pass

    @staticmethod
    async def pump_up(name, number, reader, writer, upstream):
        sent = 0
        while True:
            data = await reader.read(max(1024, number // 10) if name == "slow" else 1 << 16)
            if not data:
                return
            if name == "slow":
                await asyncio.sleep(len(data) / number)
            if name in ("rst-up", "fin-up", "stall-up", "flip") and sent <= number < sent + len(data):
                at = number - sent
                if name == "flip":
                    data = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]
                else:
                    upstream.write(data[:at])
                    await upstream.drain()
                    if name == "stall-up":
                        await asyncio.sleep(1e6)
                    await asyncio.sleep(0.02)  # lets what was written arrive before the end does
                    for end in (writer, upstream):
                        reset(end) if name == "rst-up" else end.close()
                    return
            sent += len(data)
            upstream.write(data)
            await upstream.drain()

    @staticmethod
    async def pump_down(name, number, reader, writer, upstream):
        passed = answers = 0
        while True:
            data = await reader.read(1 << 16)
            if not data:
                return
            if name == "lost-reply":
                answers += 1
                if answers >= (number or 1):
                    reset(writer)
                    return
            if name == "late500" and not data.startswith(b"HTTP/1.1 100"):
                writer.write(error_answer("http500"))
                await writer.drain()
                return
            if name == "etag":
                data = re.sub(rb'(?i)(etag: "?)([0-9a-f])', lambda m: m[1] + (b"0" if m[2] != b"0" else b"1"), data)
            if name in ("trunc-reply", "stall-reply") and passed + len(data) >= number:
                writer.write(data[:number - passed])
                await writer.drain()
                if name == "stall-reply":
                    await asyncio.sleep(1e6)
                return
            passed += len(data)
            writer.write(data)
            await writer.drain()


proxy = Proxy(sys.argv[1])
loop = asyncio.new_event_loop()
started = threading.Event()
port = []


def run():
    asyncio.set_event_loop(loop)
    server = loop.run_until_complete(asyncio.start_server(proxy.handle, "127.0.0.1", 0, limit=1 << 20))
    port.append(server.sockets[0].getsockname()[1])
    started.set()
    loop.run_forever()


threading.Thread(target=run, daemon=True).start()
started.wait()
serve(Host("faultproxy"), lambda: {"endpoint": "127.0.0.1:%d" % port[0]}, {
    "rules": lambda *rules: proxy.set_rules(rules),
    "target": proxy.set_target,
    "count": lambda: {"connections": proxy.connections},
})
