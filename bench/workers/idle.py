"""Counts what idle workers that listen send: HTTP requests and WebSocket messages, through a proxy before the local stack.

Run from any folder: python3 bench/workers/idle.py [--workers N] [--minutes M]
Half of the workers are in Python, all in one process; the others are processes of the worker in Rust.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import os
import re
import time
from urllib.parse import urlsplit

from stack import HERE, Worker, executables, local_stack, options, python, say

REQUEST = re.compile(rb"^(GET|POST|PUT|DELETE) (\S+) HTTP/1\.1\r\n")
WARM_UP_SECONDS = 30


class Counter:
    """A TCP proxy that counts the requests and the frames of clients, by their kind, and the frames for them."""

    def __init__(self, address):
        self.address = address
        self.counts = collections.Counter()

    async def start(self):
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    async def _accept(self, reader, writer):
        stack_reader, stack_writer = await asyncio.open_connection(*self.address)
        is_websocket = False

        async def upwards():
            nonlocal is_websocket
            while data := await reader.read(65536):
                stack_writer.write(data)
                if is_websocket:
                    self._count_frames(data)
                elif match := REQUEST.match(data):
                    is_websocket = b"upgrade: websocket" in data.lower()
                    kind = "connect" if is_websocket else f"{match[1].decode()} {match[2].decode().rsplit('/', 1)[1]}"
                    self.counts[kind] += 1
                await stack_writer.drain()

        async def downwards():
            while data := await stack_reader.read(65536):
                if is_websocket and not data.startswith(b"HTTP/"):
                    self.counts["received"] += 1
                writer.write(data)
                await writer.drain()

        with contextlib.suppress(OSError):
            tasks = {asyncio.ensure_future(upwards()), asyncio.ensure_future(downwards())}
            _, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
        writer.close()
        stack_writer.close()

    def _count_frames(self, data):
        """Counts the masked frames of a chunk; clients write each of these small frames at once."""
        while len(data) >= 6:
            opcode, length, start = data[0] & 15, data[1] & 127, 2
            if length == 126:
                length, start = int.from_bytes(data[2:4]), 4
            mask, start = data[start : start + 4], start + 4
            content = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data[start : start + length]))
            data = data[start + length :]
            try:
                kind = json.loads(content)["type"]
            except ValueError:
                kind = f"frame {opcode}"
            self.counts[kind] += 1


def processor_seconds(workers):
    ticks = os.sysconf("SC_CLK_TCK")
    fields = []
    for worker in workers:
        with open(f"/proc/{worker.process.pid}/stat") as stat:
            fields += stat.read().rsplit(")", 1)[1].split()[11:13]
    return sum(map(int, fields)) / ticks


async def idle(arguments, stack, binaries, interpreter):
    base = urlsplit(stack.url)
    counter = Counter((base.hostname, base.port))
    port = await counter.start()
    path = urlsplit(stack.websocket_url).path
    environment = stack.environment() | {
        "STAGECAST_URL": f"http://127.0.0.1:{port}",
        # The address that the service names is that of the stack, not of the proxy.
        "STAGECAST_WEBSOCKET_URL": f"ws://127.0.0.1:{port}{path}",
        "WORKERS": str(arguments.workers // 2),
        "RUST_LOG": "warn",
    }
    in_rust = [binaries / "bench-worker", "--queue", "plans"]
    workers = [Worker([interpreter, HERE / "idle_workers.py"], environment)]
    workers += [Worker(in_rust, environment) for _ in range(arguments.workers - arguments.workers // 2)]
    try:
        while counter.counts["listen"] < arguments.workers:
            await asyncio.sleep(1)
        await asyncio.sleep(WARM_UP_SECONDS)
        at_start, used = collections.Counter(counter.counts), processor_seconds(workers)
        say(f"to start: {dict(at_start)}")
        started = time.monotonic()
        while (left := arguments.minutes * 60 - (time.monotonic() - started)) > 0:
            await asyncio.sleep(min(left, 60))
            say(f"{time.monotonic() - started:.0f} s: {dict(counter.counts - at_start)}")
        used = processor_seconds(workers) - used
    finally:
        for worker in workers:
            worker.kill()
    counts = counter.counts - at_start
    print(f"{arguments.workers} workers, {arguments.minutes} minutes")
    print("| sent or received | in all | for each worker and hour |")
    print("| --- | --- | --- |")
    for kind, count in sorted(counts.items()):
        print(f"| {kind} | {count} | {count * 60 / arguments.minutes / arguments.workers:.1f} |")
    print(f"processor time of the workers: {used:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--minutes", type=int, default=15)
    options(parser)
    arguments = parser.parse_args()
    interpreter = python()
    binaries = executables(arguments)
    with local_stack(binaries) as stack:
        asyncio.run(idle(arguments, stack, binaries, interpreter))


if __name__ == "__main__":
    main()
