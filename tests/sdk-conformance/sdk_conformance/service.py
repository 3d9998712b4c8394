"""The scripted service: the HTTP API, the WebSocket API and the bucket, each on a port of this machine.

It plays the model of the jobs, with the faults of a scenario, and records every request.
"""

import asyncio
import dataclasses
import json
import time

from aiohttp import WSMsgType, web

from .faults import FaultPlan
from .job_model import MAX_BODY_BYTES, ApiError, Job, timestamp

MAX_STRING_BYTES = 6 * 1024 * 1024
"""Limit of a body that API Gateway passes on as a JSON string."""
WAKE_COUNT = 2
RETRY_AFTER_SECONDS = 5


@dataclasses.dataclass
class Exchange:
    """A request with its answer, or a frame of a client with its reply."""

    number: int
    kind: str
    job_id: str | None
    body: bytes
    json: dict
    key: str | None
    """The key of the header `authorization`, or of the frame."""
    started: float
    ended: float | None = None
    status: int | None = None
    code: str | None = None
    answer: dict | None = None
    is_answered: bool = False
    """Whether the whole answer was sent."""
    fault: str | None = None
    epoch: int | None = None
    connection: int | None = None
    query: dict = dataclasses.field(default_factory=dict)
    content_type: str = ""
    seen_seq: int = 0
    """The highest `seq` that the driver had printed when the request came."""
    sent_seq: int = 0
    """Up to this `seq`, every durable message had been sent when the request came."""

    @property
    def event_types(self):
        events = self.json.get("events")
        return [event.get("type") for event in events] if isinstance(events, list) else []

    def __str__(self):
        kind = f"{self.kind}{self.event_types}" if self.kind == "events" else self.kind
        extra = {key: self.json[key] for key in ("epoch", "after_seq", "type") if key in self.json}
        extra |= self.query
        result = self.fault or self.code or self.status or ""
        return f"#{self.number} +{self.started:.2f}s {kind} {extra or ''} -> {result}"


class Connection:
    """A WebSocket connection of the driver."""

    def __init__(self, number, socket, request):
        self.number = number
        self.socket = socket
        self.request = request
        self.job = None
        self.sent = set()
        """`seq` of each message that the service holds for sent on this connection."""
        self.is_half_dead = False
        self.is_open = True
        self.held = []
        self.seen_seq_at_end = None
        self.ended_at = None
        self.ended_by = None

    async def send(self, frame):
        if self.is_open and not self.is_half_dead:
            try:
                await self.socket.send_str(json.dumps(frame))
            except (ConnectionError, RuntimeError):
                self.is_open = False


class Service:
    """The service of one scenario. `act` runs an action of a rule; `seen_seq` is what the driver has printed."""

    def __init__(self, scenario, seed, act, seen_seq):
        self.faults = FaultPlan(scenario.faults, scenario.random_faults, seed)
        self.options = scenario.service
        self.act = act
        self.seen_seq = seen_seq
        self.jobs = {}
        self.exchanges = []
        self.connections = []
        self.listeners = {}
        """Whether each listener is armed, by queue and id."""
        self.worker_token = f"stw_{1:016x}_{1:032x}"
        self.sent_seq = scenario.driver.get("after_seq", 0)
        """Up to this `seq`, every durable message was sent to the driver."""
        self.sent_seqs = set()
        self.files = {}
        self.violations = []
        self.started = time.monotonic()
        self.changed = asyncio.Condition()
        self._runners = []

    # Life

    async def start(self):
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self.port = await self._listen(app, "127.0.0.1")
        bucket = web.Application(client_max_size=64 * 1024 * 1024)
        bucket.router.add_route("*", "/{path:.*}", self._handle_bucket)
        # Another host name than that of the API, so that a key that is sent there is seen.
        self.bucket_port = await self._listen(bucket, "localhost")
        self._waking = asyncio.create_task(self._wake_when_claimable())

    async def _listen(self, app, host):
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, host, 0)
        await site.start()
        self._runners.append(runner)
        return site._server.sockets[0].getsockname()[1]

    async def stop(self):
        self._waking.cancel()
        for connection in self.connections:
            if connection.is_open and connection.request.transport:
                connection.request.transport.abort()
        for runner in self._runners:
            await runner.cleanup()

    @property
    def http_api(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket_url(self):
        return f"ws://127.0.0.1:{self.port}/dev"

    @property
    def now(self):
        return time.monotonic() - self.started

    def add_job(self, job):
        self.jobs[job.job_id] = job

    async def note(self):
        async with self.changed:
            self.changed.notify_all()

    # HTTP

    async def _handle(self, request):
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await self._connect(request)
        body = await request.read()
        kind, job_id, argument = _route(request.method, request.path)
        exchange = self._record(kind, job_id, body, _bearer(request))
        exchange.query = dict(request.query)
        exchange.content_type = request.headers.get("content-type", "")
        await self.note()
        return await self._answer(request, exchange, lambda: self._apply(exchange, argument))

    def _record(self, kind, job_id, body, key, connection=None):
        try:
            parsed = json.loads(body) if body else {}
        except ValueError:
            parsed = {}
        exchange = Exchange(
            number=len(self.exchanges) + 1,
            kind=kind,
            job_id=job_id,
            body=body if isinstance(body, bytes) else body.encode(),
            json=parsed if isinstance(parsed, dict) else {},
            key=key,
            started=self.now,
            connection=connection,
            seen_seq=self.seen_seq(),
            sent_seq=self.sent_seq,
        )
        job = self.jobs.get(job_id)
        exchange.epoch = job.epoch if job else None
        self.exchanges.append(exchange)
        return exchange

    async def _answer(self, request, exchange, apply):
        """Applies a request and sends its answer, as far as its fault permits."""
        fault, actions = self.faults.of(exchange)
        exchange.fault = next(iter(fault), None)
        try:
            if "lost_request" in fault:
                return self._abort(request)
            if "answer" in fault:
                response = _scripted(fault["answer"])
                await self._run(actions)
            else:
                response = _respond(apply)
                # After the request is applied and before its answer.
                await self._run(actions)
                if "lost_answer" in fault:
                    return self._abort(request)
                if "hang" in fault:
                    await self._pause(request, 3600)
                    return self._abort(request)
                await self._pause(request, fault.get("delay", 0))
            exchange.status = response.status
            _describe(exchange, response)
            if "half_answer" in fault:
                await self._send_slowly(request, response, share=0.5)
                return self._abort(request)
            if "slow" in fault:
                stream = await self._send_slowly(request, response, seconds=fault["slow"])
                exchange.is_answered = True
                return stream
            # The client may send its next request before this handler continues.
            exchange.is_answered = request.transport is not None
            exchange.ended = self.now
            return response
        except Exception as error:
            self.violations.append(f"suite: the suite itself failed at {exchange}: {error!r}")
            raise
        finally:
            exchange.ended = self.now
            await self.note()

    def _abort(self, request):
        if request.transport:
            request.transport.abort()
        return web.Response(status=500)

    async def _pause(self, request, seconds):
        """Waits, at most until the client has closed the connection."""
        until = self.now + seconds
        while self.now < until and request.transport and not request.transport.is_closing():
            await asyncio.sleep(min(0.05, until - self.now))

    async def _send_slowly(self, request, response, share=1.0, seconds=0.0):
        body = response.body or b""
        stream = web.StreamResponse(status=response.status, headers=response.headers)
        stream.content_length = len(body)
        part = max(1, len(body) // 10)
        try:
            await stream.prepare(request)
            for start in range(0, int(len(body) * share), part):
                # Before the bytes: with the last ones, the client has the answer, and its next wait begins.
                await asyncio.sleep(seconds / 10)
                await stream.write(bytes(body[start : start + part]))
            if share == 1.0:
                await stream.write_eof()
        except ConnectionError:
            pass
        return stream

    async def _run(self, actions):
        for action in actions:
            await self.act(action)

    def _apply(self, exchange, argument):
        """Returns status, body and headers of the answer, or raises an `ApiError`."""
        kind = exchange.kind
        if kind == "not_found":
            raise ApiError(404, "not_found")
        if kind == "queue_claim":
            return self._claim_from_queue(exchange, argument)
        job = self.jobs.get(exchange.job_id)
        is_worker = kind in ("claim", "input", "announce", "events", "release")
        keys = [key for key in (job and job.worker_key, not is_worker and job and job.access_key) if key]
        if exchange.key not in keys:
            raise ApiError(403, "forbidden")
        self._check_size(exchange)
        return getattr(self, f"_apply_{kind}")(exchange, job, argument)

    def _check_size(self, exchange):
        is_text = exchange.content_type.startswith(("application/json", "text/"))
        if is_text and len(exchange.body) > MAX_STRING_BYTES // 2:
            if len(json.dumps(exchange.body.decode())) > MAX_STRING_BYTES:
                raise ApiError(413, "body_too_large", "API Gateway passes text on as a JSON string")
        if len(exchange.body) > MAX_BODY_BYTES:
            raise ApiError(413, "body_too_large")

    def _claim_from_queue(self, exchange, queue):
        if exchange.key != self.worker_token:
            raise ApiError(401, "invalid_worker_token")
        if queue not in self.options.get("queues", ["transcripts"]):
            raise ApiError(404, "unknown_queue")
        waiting = [job for job in self.jobs.values() if job.queue == queue and job.is_claimable]
        waiting.sort(key=lambda job: (-job.priority, job.number))
        listener = exchange.json.get("listener")
        if not waiting:
            if listener in self.listeners.get(queue, {}):
                self.listeners[queue][listener] = True
            retry_after = str(self.options.get("retry_after", RETRY_AFTER_SECONDS))
            return 204, None, {"retry-after": retry_after, "websocket-url": self.websocket_url}
        if listener in self.listeners.get(queue, {}):
            self.listeners[queue][listener] = False
        job = waiting[0]
        # Another worker may claim it, also one with the same `worker_id`: its lease has ended.
        job.worker_id = None
        answer = job.claim(exchange.json.get("stages"), exchange.json.get("worker_id"))
        exchange.job_id, exchange.epoch = job.job_id, job.epoch
        if exchange.fault in ("lost_answer", "half_answer", "hang"):
            # The answer is lost. The rest of the lease would only take time.
            job.lease_until = time.monotonic() + 1
        return 200, answer | {"websocket_url": self.websocket_url}, {}

    def _apply_claim(self, exchange, job, _):
        stages = exchange.json.get("stages")
        if not isinstance(stages, list) or not 1 <= len(stages) <= 50:
            raise ApiError(400, "invalid_body", field="stages")
        answer = job.claim(stages, exchange.json.get("worker_id"))
        exchange.epoch = job.epoch
        return 200, answer, {}

    def _apply_input(self, exchange, job, _):
        if self.options.get("redirect_input"):
            self.files[f"input-{job.job_id}"] = job.content
            return 307, None, {"location": self._bucket_url(f"input-{job.job_id}")}
        return 200, job.content, {"content-type": job.content_type}

    def _apply_announce(self, exchange, job, _):
        job.check_lease(exchange.json.get("epoch"))
        for field in ("name", "content_type", "size", "sha256"):
            if field not in exchange.json:
                raise ApiError(400, "invalid_body", field=field)
        name = exchange.json["name"]
        headers = {"content-type": exchange.json["content_type"], "x-amz-checksum-sha256": exchange.json["sha256"]}
        headers["content-length"] = str(exchange.json["size"])
        url = self._bucket_url(f"upload-{job.job_id}/{name}")
        return 200, {"job_id": job.job_id, "url": url, "headers": headers, "url_expires_at": timestamp(300)}, {}

    def _apply_events(self, exchange, job, _):
        return 200, job.post(exchange.json), {}

    def _apply_release(self, exchange, job, _):
        return 200, job.release(exchange.json.get("epoch"), exchange.json.get("delay_seconds", 0)), {}

    def _apply_job(self, exchange, job, _):
        return 200, job.snapshot(), {}

    def _apply_cancel(self, exchange, job, _):
        if job.has_ended:
            raise ApiError(409, "job_already_finished", status=job.status)
        job.cancel_requested = True
        return 202, {"job_id": job.job_id, "status": "cancel_requested"}, {}

    def _apply_results(self, exchange, job, _):
        results = json.dumps(job.results(exchange.query.get("stage"))).encode()
        if self.options.get("redirect_results"):
            name = f"results-{job.job_id}-{exchange.query.get('stage')}"
            self.files[name] = results
            return 307, None, {"location": self._bucket_url(name)}
        return 200, results, {"content-type": "application/json"}

    def _apply_poll(self, exchange, job, _):
        after = int(exchange.query.get("after_seq", "0"))
        page = self.options.get("page", 1000)
        snapshot = job.snapshot()
        is_recovered = job.expired_up_to <= after <= job.seq
        events = [job.sent_message(each) for each in job.log[after : after + page]] if is_recovered else []
        next_after_seq = after + len(events) if is_recovered else job.seq
        more = next_after_seq < job.seq
        retry_after = 0 if more else None if job.has_ended else self.options.get("poll_after", 1)
        self._sent([each["seq"] for each in events], jump=None if is_recovered else job.seq)
        answer = {"job_id": job.job_id, "recovered": is_recovered, "events": events, "more": more}
        answer |= {"next_after_seq": next_after_seq, "retry_after": retry_after, "snapshot": snapshot}
        return 200, answer, {} if retry_after is None else {"retry-after": str(retry_after)}

    # The bucket

    def _bucket_url(self, name):
        return f"http://localhost:{self.bucket_port}/{name}?X-Amz-Signature=abc"

    async def _handle_bucket(self, request):
        body = await request.read()
        kind = "upload" if request.method == "PUT" else "download"
        exchange = self._record(kind, None, b"", None)
        exchange.query = {"name": request.path[1:], "size": len(body)}
        keys = {key for job in self.jobs.values() for key in (job.access_key, job.worker_key) if key}
        secrets = [*keys, self.worker_token]
        sent = " ".join([str(request.url), *request.headers.values()])
        if any(secret in sent for secret in secrets) or "authorization" in request.headers:
            self.violations.append(f"key_stays_at_the_api: {kind} of {request.path} has a key, or `authorization`")
        return await self._answer(request, exchange, lambda: self._apply_bucket(kind, request, body))

    def _apply_bucket(self, kind, request, body):
        name = request.path[1:]
        if kind == "download":
            if name not in self.files:
                raise ApiError(404, "NoSuchKey")
            return 200, self.files[name], {}
        job_id, file = name.removeprefix("upload-").split("/", 1)
        if "x-amz-checksum-sha256" not in request.headers:
            raise ApiError(403, "SignatureDoesNotMatch")
        self.jobs[job_id].uploads[file] = len(body)
        return 200, b"", {}

    # WebSocket

    async def _connect(self, request):
        exchange = self._record("connect", None, b"", None)
        await self.note()
        fault, actions = self.faults.of(exchange)
        exchange.fault = next(iter(fault), None)
        await self._run(actions)
        if "answer" in fault:
            exchange.status = fault["answer"]["status"]
            await self.note()
            return _scripted(fault["answer"])
        if {"lost_request", "lost_answer", "half_answer"} & fault.keys():
            await self.note()
            return self._abort(request)
        if "hang" in fault:
            await self._pause(request, 3600)
            return self._abort(request)
        await self._pause(request, fault.get("delay", 0))
        socket = web.WebSocketResponse(autoping=False, max_msg_size=0)
        try:
            await socket.prepare(request)
        except ConnectionError:
            # The client did not wait for the end of the handshake.
            return self._abort(request)
        connection = Connection(len(self.connections) + 1, socket, request)
        exchange.connection, exchange.status = connection.number, 101
        self.connections.append(connection)
        await self.note()
        async for message in socket:
            if connection.is_half_dead:
                continue
            if message.type == WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type == WSMsgType.TEXT:
                await self._frame(connection, message.data)
        self._end(connection, "client")
        await self.note()
        return socket

    def _end(self, connection, ended_by):
        connection.is_open = False
        if connection.ended_by is None:
            connection.ended_by, connection.ended_at = ended_by, self.now
            connection.seen_seq_at_end = self.seen_seq()
        for queue in self.listeners.values():
            queue.pop(f"listener-{connection.number}", None)

    async def drop(self, connection, how):
        """Ends a connection: `abort` resets it, `close` sends a close frame, `half_dead` only stops all traffic."""
        if how == "half_dead":
            connection.is_half_dead = True
            connection.ended_by, connection.ended_at = how, self.now
            connection.seen_seq_at_end = self.seen_seq()
            return
        self._end(connection, how)
        if how == "abort":
            if connection.request.transport:
                connection.request.transport.abort()
        else:
            await connection.socket.close(code=1001)

    async def _frame(self, connection, text):
        try:
            frame = json.loads(text)
        except ValueError:
            frame = {}
        kind = frame.get("type", "frame")
        key = frame.get("access_key") or frame.get("worker_token")
        exchange = self._record(kind, frame.get("job_id"), text, key, connection.number)
        fault, actions = self.faults.of(exchange)
        exchange.fault = next(iter(fault), None)
        if "reply" in fault:
            # API Gateway's own frames have no type and repeat no `request_id`.
            common = {"request_id": frame.get("request_id"), "timestamp": timestamp()}
            await connection.send({**fault["reply"], **(common if "type" in fault["reply"] else {})})
        elif "abort" in fault or "close" in fault:
            await self.drop(connection, exchange.fault)
        elif "ignore" not in fault:
            await self._pause(connection.request, fault.get("delay", 0))
            await self._reply(connection, exchange, frame)
        await self._run(actions)
        exchange.ended = self.now
        await self.note()

    async def _reply(self, connection, exchange, frame):
        common = {"timestamp": timestamp()}
        if "request_id" in frame:
            common["request_id"] = frame["request_id"]
        try:
            replies = getattr(self, f"_on_{exchange.kind}", self._on_unknown)(connection, frame)
        except ApiError as error:
            exchange.code = error.code
            replies = [{"type": "error", "code": error.code, "message": error.body["error"]["message"]}]
        exchange.is_answered = True
        first, *rest = replies
        await connection.send({**first, **common})
        for message in rest:
            await connection.send(message)

    def _on_unknown(self, connection, frame):
        raise ApiError(400, "unknown_type")

    def _on_ping(self, connection, frame):
        return [{"type": "pong"}]

    def _watched(self, connection, frame):
        job = self.jobs.get(frame.get("job_id"))
        if job is None or frame.get("access_key", job.access_key) != job.access_key:
            raise ApiError(403, "forbidden")
        if "access_key" not in frame and connection.job is not job:
            raise ApiError(403, "forbidden")
        return job

    def _on_subscribe(self, connection, frame):
        job = self._watched(connection, frame)
        after = frame.get("after_seq", 0)
        connection.job = job
        is_recovered = job.expired_up_to <= after <= job.seq
        replayed = [each for each in job.log[after:] if each["seq"] not in connection.sent] if is_recovered else []
        connection.sent |= {each["seq"] for each in replayed}
        self._sent([each["seq"] for each in replayed], jump=None if is_recovered else job.seq)
        reply = {"type": "subscribed", "job_id": job.job_id, "seq": job.seq, "recovered": is_recovered}
        reply |= {"status": job.snapshot(), "correlation_id": "c_2"}
        return [reply, *[job.sent_message(each) for each in replayed]]

    def _on_unsubscribe(self, connection, frame):
        connection.job = None
        return [{"type": "unsubscribed", "job_id": frame.get("job_id")}]

    def _on_request_status(self, connection, frame):
        return [{"type": "job_status", **self._watched(connection, frame).snapshot()}]

    def _on_cancel_job(self, connection, frame):
        job = self._watched(connection, frame)
        if job.has_ended:
            raise ApiError(409, "job_already_finished")
        job.cancel_requested = True
        return [{"type": "cancel_requested", "job_id": job.job_id}]

    def _on_listen(self, connection, frame):
        queue = frame.get("queue")
        if frame.get("worker_token") != self.worker_token:
            raise ApiError(401, "invalid_worker_token")
        if queue not in self.options.get("queues", ["transcripts"]):
            raise ApiError(404, "unknown_queue")
        listener = f"listener-{connection.number}"
        self.listeners.setdefault(queue, {})[listener] = False
        return [{"type": "listening", "queue": queue, "listener": listener}]

    def _on_stop_listening(self, connection, frame):
        self.listeners.get(frame.get("queue"), {}).pop(f"listener-{connection.number}", None)
        return [{"type": "stopped_listening", "queue": frame.get("queue")}]

    async def _wake_when_claimable(self):
        """Wakes listeners of each job that becomes claimable: created, released, or its lease has ended."""
        claimable = {job_id for job_id, job in self.jobs.items() if job.is_claimable}
        while True:
            await asyncio.sleep(0.1)
            now = {job_id for job_id, job in self.jobs.items() if job.queue and job.is_claimable}
            for job_id in sorted(now - claimable):
                await self._wake_listeners(self.jobs[job_id].queue)
            claimable = now

    async def _wake_listeners(self, queue):
        """Sends `job_available` to armed listeners, and disarms them first."""
        armed = [listener for listener, is_armed in self.listeners.get(queue, {}).items() if is_armed]
        for listener in armed[:WAKE_COUNT]:
            self.listeners[queue][listener] = False
            number = int(listener.removeprefix("listener-"))
            frame = {"type": "job_available", "queue": queue, "timestamp": timestamp()}
            await self.connections[number - 1].send(frame)

    async def publish(self, job, message, how="deliver"):
        """Sends a message to the subscribers. `lose`: it counts as sent and does not arrive. `drop`: it is not sent.
        `twice`: it arrives twice. `hold`: it arrives with `send_held`."""
        seq = message["seq"] if message["type"] != "progress_update" else None
        for connection in self.connections:
            if connection.job is not job or not connection.is_open or connection.is_half_dead:
                continue
            if seq is not None and how != "drop":
                connection.sent.add(seq)
            if how == "hold":
                connection.held.append(message)
            elif how in ("deliver", "twice"):
                for _ in range(2 if how == "twice" else 1):
                    await self._send_message(connection, job, message)

    async def send_held(self, order="reverse"):
        for connection in self.connections:
            held, connection.held = connection.held, []
            for message in held if order == "same" else reversed(held):
                await self._send_message(connection, connection.job, message)

    async def _send_message(self, connection, job, message):
        if message["type"] != "progress_update":
            self._sent([message["seq"]])
        await connection.send(job.sent_message(message))

    def _sent(self, seqs, jump=None):
        self.sent_seqs.update(seqs)
        if jump is not None:
            self.sent_seq = max(self.sent_seq, jump)
        while self.sent_seq + 1 in self.sent_seqs:
            self.sent_seq += 1


def _bearer(request):
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else None


def _route(method, path):
    """The kind of a request, its job, and what else its path names."""
    match path.strip("/").split("/"):
        case ["v1", "queues", queue, "claim"] if method == "POST":
            return "queue_claim", None, queue
        case ["v1", "jobs", job_id]:
            kinds = {"GET": "job", "DELETE": "cancel"}
            return kinds.get(method, "not_found"), job_id, None
        case ["v1", "jobs", job_id, part]:
            kinds = {
                ("POST", "claim"): "claim",
                ("GET", "input"): "input",
                ("POST", "artifacts"): "announce",
                ("POST", "events"): "events",
                ("GET", "events"): "poll",
                ("POST", "release"): "release",
                ("GET", "results"): "results",
            }
            return kinds.get((method, part), "not_found"), job_id, None
    return "not_found", None, None


def _respond(apply):
    try:
        status, body, headers = apply()
    except ApiError as error:
        status, body, headers = error.status, error.body, {}
        if status == 503:
            headers = {"retry-after": "1"}
    headers = {"x-request-id": "req_1_a", **headers}
    if body is None:
        return web.Response(status=status, headers=headers)
    if isinstance(body, bytes):
        return web.Response(status=status, body=body, headers=headers)
    return web.Response(
        status=status, body=json.dumps(body).encode(), headers={"content-type": "application/json", **headers}
    )


def _scripted(answer):
    """The answer of a fault: with `code`, an error of the service; with `body`, any other."""

    def apply():
        if "code" in answer:
            error = ApiError(answer["status"], answer["code"], **answer.get("fields", {}))
            return error.status, error.body, answer.get("headers", {})
        body = answer.get("body")
        return answer["status"], body.encode() if isinstance(body, str) else body, answer.get("headers", {})

    return _respond(apply)


def _describe(exchange, response):
    try:
        exchange.answer = json.loads(response.body)
    except (TypeError, ValueError):
        return
    if isinstance(exchange.answer, dict):
        exchange.code = (exchange.answer.get("error") or {}).get("code")


__all__ = ["Exchange", "Job", "Service"]
