"""A scripted service for tests of the client: HTTP answers in the process, WebSockets on a local port."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
from websockets.asyncio.server import Server, ServerConnection, serve

import stagecast
from simulated import JOB, KEY

T = TypeVar("T")
Handler = Callable[[httpx.Request], "httpx.Response | Awaitable[httpx.Response]"]

URL = "https://api.test"


def created(**more: Any) -> httpx.Response:
    body = {"job_id": JOB, "access_key": KEY, "websocket_url": "wss://live.test", "status_url": f"/v1/jobs/{JOB}"}
    return httpx.Response(202, json={**body, **more})


def refused(status: int, code: str, **more: Any) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": code, "request_id": "req_1", **more}})


def http_client(handler: Handler) -> Callable[[], httpx.AsyncClient]:
    return lambda: httpx.AsyncClient(transport=httpx.MockTransport(handler))  # type: ignore[arg-type]


def call_sync(handler: Handler, use: Callable[[Any], T], **options: Any) -> T:
    with stagecast.Client(URL, http_client=http_client(handler), **options) as client:
        return use(client)


def call_async(handler: Handler, use: Callable[[Any], Any], **options: Any) -> Any:
    async def run() -> Any:
        async with stagecast.AsyncClient(URL, http_client=http_client(handler), **options) as client:
            return await use(client)

    return asyncio.run(run())


class Bucket:
    """The service and its bucket during the upload of one input. Subclasses add faults."""

    def __init__(self, content: bytes, part_size: int) -> None:
        self.content = content
        self.part_size = part_size
        self.count = -(-len(content) // part_size)
        self.stored: dict[int, bytes] = {}
        self.puts: list[int] = []
        self.active = 0
        self.most_active = 0
        self.generation = 0
        """Of the URLs: those of an earlier generation have expired."""
        self.is_complete = False
        self.description: dict[str, Any] = {}
        self.page = 100

    def upload(self, after: int = 0) -> dict[str, Any]:
        self.generation += 1
        missing = [part for part in range(after + 1, self.count + 1) if part not in self.stored]
        page = missing[: self.page]
        listed = {
            "size": len(self.content),
            "part_size": self.part_size,
            "part_count": self.count,
            "parts": [self._part(part) for part in page],
            "urls_expire_at": "2024-01-15T11:00:00Z",
            "expires_at": "2024-01-16T10:00:00Z",
        }
        return {**listed, "next_after_part": page[-1]} if len(missing) > len(page) else listed

    def _part(self, part: int) -> dict[str, Any]:
        offset = (part - 1) * self.part_size
        size = min(self.part_size, len(self.content) - offset)
        url = f"https://bucket.test/{part}?generation={self.generation}"
        headers = {"content-length": str(size), "host": "bucket.test"}
        return {"part": part, "offset": offset, "size": size, "url": url, "headers": headers}

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "bucket.test":
            assert "authorization" not in request.headers
            self.active += 1
            self.most_active = max(self.most_active, self.active)
            try:
                await asyncio.sleep(0)
                return await self.put(int(request.url.path[1:]), request)
            finally:
                self.active -= 1
        if request.url.path == "/v1/jobs":
            self.description = json.loads(request.content)
            return created(upload=self.upload())
        assert request.headers["authorization"] == f"Bearer {KEY}"
        if request.method == "GET":
            state = {"job_id": JOB, "status": "queued" if self.is_complete else "awaiting_input"}
            return httpx.Response(200, json=state if self.is_complete else {**state, "upload": self.upload()})
        return await self.complete()

    async def put(self, part: int, request: httpx.Request) -> httpx.Response:
        self.puts.append(part)
        if int(request.url.params["generation"]) != self.generation:
            return httpx.Response(403, content=b"<Error><Code>AccessDenied</Code><Message>expired</Message></Error>")
        if part in self.stored:
            return httpx.Response(412)
        assert int(request.headers["content-length"]) == len(request.content)
        self.stored[part] = request.content
        return httpx.Response(200)

    async def complete(self) -> httpx.Response:
        missing = [part for part in range(1, self.count + 1) if part not in self.stored]
        if missing:
            return refused(409, "upload_incomplete", first_missing_part=missing[0])
        self.is_complete = True
        return httpx.Response(200, json={"job_id": JOB, "status": "queued"})

    def sha256(self) -> str:
        whole = b"".join(self.stored[part] for part in sorted(self.stored))
        return hashlib.sha256(whole).hexdigest()


@contextmanager
def live_server(handle: Callable[[ServerConnection], Awaitable[None]]) -> Iterator[str]:
    """A WebSocket server in a thread; yields its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Server:
        server: Server = await serve(handle, "127.0.0.1", 0)
        return server

    async def stop(server: Server) -> None:
        server.close()
        await server.wait_closed()

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/live"
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
