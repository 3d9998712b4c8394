/** One WebSocket connection that is subscribed to a job, or to the feed of an owner. */

import type { ClientMessage, ServerMessage } from "../../generated/messages.js";
import type { Reviver } from "./http.js";

/**
 * The subset of `WebSocket` that a watch uses. Implemented by the browser, Node 22 and the package
 * `ws`.
 */
export interface WebSocketLike {
  readonly readyState: number;
  send(data: string): void;
  close(code?: number): void;
  addEventListener(type: "open" | "close", listener: () => void): void;
  addEventListener(type: "error", listener: (event: { message?: string }) => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

export type WebSocketConstructor = new (url: string) => WebSocketLike;

/**
 * A frame without a `type`: API Gateway's own response if a function failed or may not be invoked.
 */
export interface GatewayResponse {
  type?: undefined;
  message?: string;
  requestId?: string;
}

export type Frame = ServerMessage | GatewayResponse;

/** A client message before the connection adds its `request_id`. */
export type Request =
  | (ClientMessage extends infer Each
      ? Each extends ClientMessage
        ? Omit<Each, "request_id">
        : never
      : never)
  // Sent only to a service that has announced the end of a token.
  | { type: "authenticate"; token: string };

/** Returns the message that subscribes. `isRepeated` on a connection that has sent one before. */
export type Subscription = (isRepeated: boolean) => Request;

export interface ConnectionOwner {
  received(connection: Connection, frame: Frame): void;
  /** The connection was lost and not closed by its owner. Called once. */
  lost(connection: Connection): void;
  /** The connection failed, with the reason if the WebSocket gives one (Node only). */
  failed(reason: string): void;
  /** Whether a long silence is normal, because the job is not running. */
  isSilent(): boolean;
  /** Called for every frame that is sent or received. */
  onFrame(direction: "in" | "out", frame: object): void;
}

/** API Gateway closes a connection after ten idle minutes. */
const IDLE_PING_INTERVAL_MS = 5 * 60_000;
/**
 * A running job sends progress more often than this; a longer silence may mean that the connection
 * is dead.
 */
const SILENCE_BEFORE_PING_MS = 45_000;
/**
 * A connection without a reply within this time is treated as dead, even without a `close` event.
 */
const REPLY_TIMEOUT_MS = 10_000;
const OPEN = 1;

let requests = 0;

export class Connection {
  #socket: WebSocketLike;
  #subscription: Subscription;
  #hasSubscribed = false;
  #owner: ConnectionOwner;
  #reviver: Reviver | undefined;
  #closed = false;
  /** The `request_id` whose reply proves that the connection works. */
  #awaited: string | null = null;
  #replyTimer: ReturnType<typeof setTimeout> | undefined;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    socket: WebSocketLike,
    subscription: Subscription,
    owner: ConnectionOwner,
    reviver?: Reviver,
  ) {
    this.#socket = socket;
    this.#subscription = subscription;
    this.#owner = owner;
    this.#reviver = reviver;
    this.#awaitReply("the connection");
    socket.addEventListener("open", () => this.subscribe());
    socket.addEventListener("message", ({ data }) => this.#receive(data));
    // Always followed by `close`. Browsers give no reason; Node throws the event if there is no
    // listener.
    socket.addEventListener("error", ({ message }) => {
      if (message && !this.#closed) owner.failed(message);
    });
    socket.addEventListener("close", () => this.#lose());
  }

  /** Subscribes, or requests missing messages of a job by subscribing again. */
  subscribe(): void {
    const request = this.#subscription(this.#hasSubscribed);
    this.#hasSubscribed = true;
    this.#awaitReply(this.send(request));
  }

  /** Checks that the connection still works. */
  probe(): void {
    if (this.#awaited === null) this.#awaitReply(this.send({ type: "ping" }));
  }

  /** Sends a request; returns its id, or null if the connection is not open. */
  send(request: Request): string | null {
    if (this.#closed || this.#socket.readyState !== OPEN) return null;
    requests += 1;
    const frame = { ...request, request_id: `client_${requests}` };
    this.#socket.send(JSON.stringify(frame));
    this.#owner.onFrame("out", withoutSecrets(frame));
    this.#restartIdleTimer();
    return frame.request_id;
  }

  /** Closes the connection without calling its owner. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#replyTimer);
    clearTimeout(this.#idleTimer);
    this.#socket.close(1000);
  }

  #receive(data: unknown): void {
    if (this.#closed) return;
    const frame = parse(data, this.#reviver);
    this.#owner.onFrame("in", frame);
    const answered = "request_id" in frame ? frame.request_id : undefined;
    if (answered !== undefined && answered === this.#awaited) {
      clearTimeout(this.#replyTimer);
      this.#awaited = null;
    }
    this.#owner.received(this, frame);
    this.#restartIdleTimer();
    // The frame has no `request_id`, so it may be the reply to the awaited request.
    if (frame.type === undefined && this.#awaited !== null) this.#lose();
  }

  #lose(): void {
    if (this.#closed) return;
    this.close();
    this.#owner.lost(this);
  }

  #awaitReply(requestId: string | null): void {
    if (requestId === null || this.#closed) return;
    this.#awaited = requestId;
    clearTimeout(this.#replyTimer);
    this.#replyTimer = setTimeout(() => this.#lose(), REPLY_TIMEOUT_MS);
  }

  #restartIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    // A listener may have closed the connection.
    if (this.#closed) return;
    const delay = this.#owner.isSilent() ? IDLE_PING_INTERVAL_MS : SILENCE_BEFORE_PING_MS;
    this.#idleTimer = setTimeout(() => this.probe(), delay);
  }
}

function withoutSecrets(frame: object): object {
  const hidden = ["access_key", "token"].filter((name) => name in frame);
  return { ...frame, ...Object.fromEntries(hidden.map((name) => [name, "…"])) };
}

function parse(data: unknown, reviver?: Reviver): Frame {
  try {
    const frame: unknown = JSON.parse(String(data), reviver);
    if (typeof frame === "object" && frame !== null) return frame as Frame;
  } catch {
    // Reported below, like JSON that is not an object.
  }
  return {
    message: `the service sent a frame that is not a JSON object: ${String(data).slice(0, 200)}`,
  };
}
