"""The watcher of the reference driver: WebSocket with resumption, HTTP as the fallback."""

import asyncio
import itertools
import json
import random
import time

import aiohttp
from plan import includes, output, unsupported
from rules import BROKEN

END = ("job_complete", "job_failed", "job_cancelled")
PERMANENT = ("forbidden", "job_not_found")
SILENCE_SECONDS = 30
REPLY_SECONDS = 8


class Ended(Exception):
    pass


class Watch:
    def __init__(self, config, session):
        self.config, self.session = config, session
        self.seq = config.get("after_seq") or 0
        self.highest = self.seq
        self.early = {}
        self.progress = self.waiting = None
        self.status, self.error = "queued", None
        self.ids = itertools.count(1)
        self.is_cancelled = self.is_cancel_accepted = False
        self.polls = None
        self.ended = asyncio.Event()
        self.sockets = set()
        self.gaps = 0

    async def run(self):
        if "renew_after_seconds" in self.config:
            unsupported("the reference does not renew connections")
        connecting = asyncio.create_task(self._stay_connected())
        await self.ended.wait()
        connecting.cancel()
        if self.polls:
            self.polls.cancel()
        for socket in list(self.sockets):
            await socket.close()
        output("end", status=self.status, error=self.error)
        return 1 if self.error else 0

    # Messages

    def _take(self, message):
        if self.ended.is_set():
            return
        if message["type"] == "progress_update":
            self.highest = max(self.highest, message["seq"])
            if message["seq"] == self.seq:
                self._report(message)
            elif message["seq"] > self.seq:
                self.waiting = message
            elif "stale_progress" in BROKEN:
                self._print(message)
            return
        seq = message["seq"]
        self.highest = max(self.highest, seq)
        if seq > self.seq or "duplicates" in BROKEN:
            self.early[seq] = message
        if "order" in BROKEN:
            self.early.clear()
            self._print(message)
            self.seq = max(self.seq, seq)
            return
        if "duplicates" in BROKEN and seq <= self.seq:
            self._print(self.early.pop(seq))
        while self.seq + 1 in self.early:
            self.seq += 1
            self._print(self.early.pop(self.seq))
        if self.waiting and self.waiting["seq"] == self.seq and not self.ended.is_set():
            self._report(self.waiting)

    def _report(self, message):
        attempt = (message["stage"], message.get("attempt") or 1)
        known = self.progress
        is_back = known and known[0] == attempt and message["progress"] < known[1]
        if is_back and "progress_back" not in BROKEN:
            return
        self.progress = (attempt, message["progress"])
        self._print(message)

    def _print(self, message):
        if "change_results" in BROKEN and "results" in message:
            message = {**message, "results": str(message["results"])}
        output("message", message=message)
        if message["type"] in END:
            self.status = {"job_complete": "completed", "job_failed": "failed"}.get(message["type"], "cancelled")
            if "no_end" not in BROKEN:
                self.ended.set()
        if self.config.get("cancel_at") and not self.is_cancelled and includes(message, self.config["cancel_at"]):
            self.is_cancelled = True
            asyncio.create_task(self._cancel())

    def _snapshot(self, snapshot, recovered):
        self.highest = max(self.highest, snapshot["seq"])
        if not recovered:
            has_ended = snapshot["status"] in ("completed", "failed", "cancelled")
            # Lower, if the stored `seq` was beyond the log.
            self.seq = self.highest = snapshot["seq"] - has_ended
            if has_ended:
                fields = {key: snapshot.get(key) for key in ("job_id", "seq", "stage", "results", "error")}
                kinds = {"completed": "job_complete", "failed": "job_failed", "cancelled": "job_cancelled"}
                self._take({**fields, "type": kinds[snapshot["status"]]})
        if snapshot["status"] == "running" and snapshot["stage"]:
            self._take({**snapshot, "type": "progress_update", "timestamp": snapshot["updated_at"]})

    def _fail(self, code):
        self.error = {"code": code}
        self.ended.set()

    # WebSocket

    async def _stay_connected(self):
        attempt = 0
        while True:
            started = time.monotonic()
            # A blocked handshake must not delay the fallback.
            fallback = asyncio.get_running_loop().call_later(5, self._start_polling)
            try:
                await self._connection(fallback)
            except (aiohttp.ClientError, asyncio.TimeoutError, ValueError):
                pass
            fallback.cancel()
            attempt = 0 if time.monotonic() - started > 5 else attempt + 1
            if attempt >= 2:
                self._start_polling()
            wait = random.uniform(0, min(30, 0.5 * 2**attempt))
            await asyncio.sleep(0 if "no_backoff" in BROKEN else wait)

    async def _connection(self, fallback):
        connecting = self.session.ws_connect(self.config["websocket_url"])
        socket = await asyncio.wait_for(connecting, REPLY_SECONDS)
        self.sockets.add(socket)
        gap = None
        try:
            awaited = await self._subscribe(socket)
            while True:
                try:
                    timeout = REPLY_SECONDS if awaited else SILENCE_SECONDS
                    message = await asyncio.wait_for(socket.receive(), timeout)
                except asyncio.TimeoutError:
                    if awaited:
                        return
                    awaited = await self._send(socket, {"type": "ping"})
                    continue
                if message.type != aiohttp.WSMsgType.TEXT:
                    return
                frame = json.loads(message.data)
                if frame.get("request_id") == awaited:
                    awaited = None
                if not self._frame(frame, fallback):
                    return
                if gap is None or gap.done():
                    gap = asyncio.create_task(self._close_gap(socket))
        finally:
            self.sockets.discard(socket)
            if gap:
                gap.cancel()
            await socket.close()

    def _frame(self, frame, fallback):
        """Takes a frame. Returns whether the connection can go on."""
        kind = frame.get("type")
        if kind == "subscribed":
            fallback.cancel()
            if self.polls:
                self.polls.cancel()
                self.polls = None
            self._snapshot(frame["status"], frame["recovered"])
            if self.is_cancelled and not self.is_cancel_accepted:
                asyncio.create_task(self._cancel())
        elif kind == "error" and frame["code"] in PERMANENT:
            self._fail(frame["code"])
        elif kind == "cancel_requested" or kind == "error" and frame["code"] == "job_already_finished":
            self.is_cancel_accepted = True
            output("cancel_accepted")
            return True
        elif "job_id" in frame and frame["job_id"] != self.config["job_id"]:
            return True
        elif kind == "progress_update" or kind == "stage_complete" or kind in END:
            self._take(frame)
        return kind is not None and kind != "error"

    async def _send(self, socket, frame):
        request_id = f"r{next(self.ids)}"
        await socket.send_json({**frame, "request_id": request_id})
        return request_id

    async def _subscribe(self, socket):
        after = {"after_seq": self.seq} if self.seq and "no_resume" not in BROKEN else {}
        if "too_far" in BROKEN and self.seq:
            after["after_seq"] += 1
        key = {"job_id": self.config["job_id"], "access_key": self.config["access_key"]}
        return await self._send(socket, {"type": "subscribe", **key, **after})

    async def _close_gap(self, socket):
        while self.highest > self.seq and "ignore_gaps" not in BROKEN:
            await asyncio.sleep(1)
            if self.highest > self.seq:
                self.gaps += 1
                if self.gaps % 3 == 0:
                    await socket.close()
                    return
                await self._subscribe(socket)

    async def _cancel(self):
        key = {"job_id": self.config["job_id"], "access_key": self.config["access_key"]}
        if self.sockets:
            await self._send(next(iter(self.sockets)), {"type": "cancel_job", **key})
            return
        headers = {"authorization": f"Bearer {key['access_key']}"}
        url = f"{self.config['http_api']}/v1/jobs/{key['job_id']}"
        while True:
            try:
                async with self.session.delete(url, headers=headers) as answer:
                    if answer.status == 202:
                        output("cancel_accepted")
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(1)

    # HTTP

    def _start_polling(self):
        if self.config["http_fallback"] and not self.polls and not self.ended.is_set():
            self.polls = asyncio.create_task(self._poll())

    async def _poll(self):
        headers = {"authorization": f"Bearer {self.config['access_key']}"}
        failures = 0
        while True:
            url = f"{self.config['http_api']}/v1/jobs/{self.config['job_id']}/events?after_seq={self.seq}"
            try:
                timeout = aiohttp.ClientTimeout(total=REPLY_SECONDS)
                async with self.session.get(url, headers=headers, timeout=timeout) as answer:
                    content = await answer.json(content_type=None)
                    if answer.status == 403:
                        self._fail("forbidden")
                        return
                    if answer.status != 200:
                        raise aiohttp.ClientError
                failures = 0
                if not content["recovered"]:
                    self._snapshot(content["snapshot"], False)
                for event in content["events"]:
                    self._take(event)
                if not content["more"]:
                    self._snapshot(content["snapshot"], True)
                wait = content["retry_after"] or 0
                if "poll_at_once" in BROKEN:
                    wait = 0.1
            except (aiohttp.ClientError, asyncio.TimeoutError, ValueError):
                failures += 1
                wait = random.uniform(0, min(30, 0.5 * 2**failures))
            await asyncio.sleep(wait * random.uniform(1, 1.1))
