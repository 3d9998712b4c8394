/**
 * A fake service in memory: it accepts subscriptions, replays its log, and sends the messages that
 * a test publishes. `tests/stack` tests against the real one.
 */

import type { ClientMessage, JobSnapshot, ServerMessage } from "../../../generated/messages.js";
import type { DurableMessage, JobEvents, ProgressMessage, WebSocketLike } from "../../src/index.js";
import { hasEnded } from "../../src/index.js";
import { JOB, KEY, snapshot, time } from "./messages.js";

type Sent = ClientMessage & { request_id: string };

export class FakeService {
  /** All connections that were opened. */
  readonly sockets: FakeSocket[] = [];
  readonly log: DurableMessage[] = [];
  status: JobSnapshot = snapshot(0, { status: "queued", stage: null, message: "Waiting" });
  /** The fate of new connections. */
  connections: "accepted" | "refused" | "never answered" = "accepted";
  /** The log has expired up to this `seq`. */
  forgottenUpTo = 0;
  /** Replies that replace the usual ones. */
  answer: ((socket: FakeSocket, sent: Sent) => boolean) | null = null;

  get WebSocket(): new (
    url: string,
  ) => WebSocketLike {
    const service = this;
    const connect = class extends FakeSocket {
      constructor(url: string) {
        super(url, service);
      }
    };
    return connect as unknown as new (
      url: string,
    ) => FakeSocket & WebSocketLike;
  }

  get open(): FakeSocket[] {
    return this.sockets.filter((socket) => socket.readyState === FakeSocket.OPEN);
  }

  get latest(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("no connection was asked for");
    return socket;
  }

  /** Logs a durable message or stores progress, and sends it to all subscribers. */
  publish(message: DurableMessage | ProgressMessage, lostOnTheWay = false): void {
    if (message.type === "progress_update") {
      const { type: _, timestamp: updated_at, ...now } = message;
      this.status = { ...this.status, ...now, status: "running", updated_at };
    } else {
      this.log.push(message);
      this.status = { ...this.status, seq: message.seq, updated_at: message.timestamp };
      if (message.type === "job_complete") {
        this.status = { ...this.status, status: "completed", results: message.results };
      }
      if (message.type === "job_failed") {
        this.status = { ...this.status, status: "failed", error: message.error };
      }
      if (message.type === "job_cancelled") this.status = { ...this.status, status: "cancelled" };
    }
    if (lostOnTheWay) return;
    for (const socket of this.open) if (socket.isSubscribed) socket.deliver(message);
  }

  /** Drops all connections. */
  drop(): void {
    for (const socket of this.open) socket.lose();
  }

  #eventsAfter(after: number): JobEvents {
    const recovered = after >= this.forgottenUpTo && after <= this.status.seq;
    const following = recovered ? this.log.filter(({ seq }) => seq > after) : [];
    const events = following.slice(0, this.http.pageSize);
    const more = events.length < following.length;
    const next_after_seq = more ? (events.at(-1)?.seq ?? after) : this.status.seq;
    const retry_after = more ? 0 : hasEnded(this.status) ? null : this.http.retryAfter;
    const snapshot = this.status;
    return { job_id: JOB, recovered, events, next_after_seq, more, retry_after, snapshot };
  }

  receive(socket: FakeSocket, sent: Sent): void {
    if (this.answer?.(socket, sent)) return;
    const reply = { request_id: sent.request_id, timestamp: time(0) };
    switch (sent.type) {
      case "ping":
        socket.deliver({ type: "pong", ...reply });
        return;
      case "cancel_job":
        socket.deliver({ type: "cancel_requested", job_id: JOB, ...reply });
        return;
      case "subscribe": {
        if (sent.access_key !== KEY) {
          socket.deliver({ type: "error", code: "forbidden", message: "wrong key", ...reply });
          return;
        }
        const after = sent.after_seq ?? 0;
        const { seq } = this.status;
        const recovered = after >= this.forgottenUpTo;
        socket.isSubscribed = true;
        socket.deliver({
          type: "subscribed",
          job_id: JOB,
          seq,
          recovered,
          status: this.status,
          correlation_id: "conn_test",
          ...reply,
        });
        if (!recovered) return;
        for (const message of this.log) if (message.seq > after) socket.deliver(message);
      }
    }
  }

  /** The `fetch` of the HTTP API; `reachable` and others may change during a test. */
  readonly http = {
    reachable: true,
    /** Whether the service has the route of events. */
    hasEvents: true,
    /** The `retry_after` of running jobs, in seconds. */
    retryAfter: 2,
    /** The most events of a response. */
    pageSize: 100,
    requests: [] as string[],
    /** The `after_seq` of each request for events. */
    after: [] as number[],
    fetch: async (url: string | URL | Request, request?: RequestInit): Promise<Response> => {
      const { pathname, searchParams } = new URL(String(url));
      this.http.requests.push(`${request?.method ?? "GET"} ${pathname}`);
      if (!this.http.reachable) throw new TypeError("fetch failed");
      const key = new Headers(request?.headers).get("authorization");
      if (key !== `Bearer ${KEY}`) {
        return Response.json({ error: { code: "forbidden", message: "no" } }, { status: 403 });
      }
      if (request?.method === "DELETE") {
        return Response.json({ job_id: JOB, cancel_requested: true }, { status: 202 });
      }
      if (!pathname.endsWith("/events")) return Response.json(this.status);
      // The answer of API Gateway.
      if (!this.http.hasEvents) return Response.json({ message: "Not Found" }, { status: 404 });
      const after = Number(searchParams.get("after_seq"));
      this.http.after.push(after);
      return Response.json(this.#eventsAfter(after));
    },
  };
}

export class FakeSocket extends EventTarget {
  static readonly OPEN = 1;
  static readonly CLOSED = 3;
  readyState = 0;
  isSubscribed = false;
  readonly url: string;
  readonly sent: Sent[] = [];
  #service: FakeService;

  constructor(url: string, service: FakeService) {
    super();
    this.url = url;
    this.#service = service;
    service.sockets.push(this);
    const { connections } = service;
    if (connections === "never answered") return;
    queueMicrotask(() => {
      if (this.readyState !== 0) return;
      if (connections === "refused") {
        this.lose();
        return;
      }
      this.readyState = FakeSocket.OPEN;
      this.dispatchEvent(new Event("open"));
    });
  }

  send(data: string): void {
    const sent: Sent = JSON.parse(data);
    this.sent.push(sent);
    queueMicrotask(() => this.#service.receive(this, sent));
  }

  close(): void {
    this.readyState = FakeSocket.CLOSED;
    this.dispatchEvent(new Event("close"));
  }

  /** Closes the connection from the server's side. */
  lose(): void {
    this.readyState = FakeSocket.CLOSED;
    this.dispatchEvent(new Event("error"));
    this.dispatchEvent(new Event("close"));
  }

  deliver(message: ServerMessage | object): void {
    this.deliverText(JSON.stringify(message));
  }

  deliverText(data: string): void {
    if (this.readyState !== FakeSocket.OPEN) return;
    this.dispatchEvent(new MessageEvent("message", { data }));
  }
}
