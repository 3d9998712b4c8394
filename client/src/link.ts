/** Keeps a subscribed connection: opens it, replaces it before it ends, and reconnects with a backoff. */

import { backoff } from "./backoff.js";
import type { ConnectionOwner, Frame, Subscription, WebSocketConstructor } from "./connection.js";
import { Connection } from "./connection.js";
import { StagecastError } from "./errors.js";
import type { Reviver } from "./http.js";
import type { TokenSource } from "./token.js";

/**
 * API Gateway closes a connection after two hours. It is replaced 100 to 110 minutes after its
 * start; the spread keeps clients from reconnecting together.
 */
const RENEW_AFTER_MS = 110 * 60_000;
const RENEW_JITTER_MS = 10 * 60_000;
/** A connection that lasted longer than this resets the backoff. */
const STABLE_AFTER_MS = 5000;
/** Number of failed attempts to connect after which the link counts as failing. */
const FAILING_ATTEMPTS = 2;
/** Time without an open or rejected connection after which the link counts as failing. */
const CONNECT_TIMEOUT_MS = 5000;

/** A token is replaced this long before the service ends what depends on it. */
const TOKEN_MARGIN_MS = 60_000;
/** Shortest time between two tokens. */
const TOKEN_INTERVAL_MS = 5000;

type Timer = ReturnType<typeof setTimeout> | undefined;

export interface LinkOptions {
  /** A function is called for each connection. */
  url: string | URL | (() => string | URL | Promise<string | URL>);
  WebSocket: WebSocketConstructor;
  reviver: Reviver | undefined;
  /** Null if access keys authorize the connection. */
  token: TokenSource | null;
}

export interface LinkOwner {
  /** What subscribes the next connection. A rejection counts as a failed attempt to connect. */
  subscription(): Subscription | Promise<Subscription>;
  received(connection: Connection, frame: Frame): void;
  /** `live` or `retryAt` has changed. */
  changed(): void;
  warn(error: StagecastError): void;
  /** There has been no connection for a while. May be called again. */
  failing(): void;
  /** No `WebSocket` can be created: the URL is invalid, or the page may not connect to it. */
  unusable(cause: unknown): void;
  isSilent(): boolean;
  onFrame(direction: "in" | "out", frame: object): void;
}

export class Link {
  /** The connection that is subscribed. */
  live: Connection | null = null;
  /** The connection that is not subscribed yet; during a renewal beside `live`. */
  opening: Connection | null = null;
  /** When the next attempt to connect starts, in milliseconds since 1970; null if none is planned. */
  retryAt: number | null = null;
  #options: LinkOptions;
  #owner: LinkOwner;
  #isClosed = false;
  /** Counts the attempts to connect, so that a URL that arrives late is not used. */
  #connectCount = 0;
  #liveSince = 0;
  #attempt = 0;
  #timers: Record<"retry" | "renew" | "failing" | "token", Timer> = {
    retry: undefined,
    renew: undefined,
    failing: undefined,
    token: undefined,
  };

  constructor(options: LinkOptions, owner: LinkOwner) {
    this.#options = options;
    this.#owner = owner;
  }

  async connect(): Promise<void> {
    const { url, WebSocket, reviver } = this.#options;
    clearTimeout(this.#timers.retry);
    this.retryAt = null;
    this.#connectCount += 1;
    const count = this.#connectCount;
    if (!this.live) {
      this.#timers.failing ??= setTimeout(() => this.#owner.failing(), CONNECT_TIMEOUT_MS);
    }
    this.#owner.changed();
    const isLate = () => count !== this.#connectCount || this.#isClosed;
    let address: string | URL;
    let subscription: Subscription;
    let asked = "`url` did not return a URL to connect to";
    try {
      // Awaited even if it is not a promise, so that the caller can add listeners before the first
      // event.
      address = await (typeof url === "function" ? url() : url);
      if (isLate()) return;
      asked = "`token` did not return a token";
      const given = this.#owner.subscription();
      subscription = given instanceof Promise ? await given : given;
    } catch (cause) {
      // Any failure to get a URL or a token is treated as temporary.
      if (isLate()) return;
      const message = `the function ${asked}; the watch retries`;
      this.#owner.warn(new StagecastError(message, {}, { cause }));
      this.#retry();
      return;
    }
    if (isLate()) return;
    try {
      const socket = new WebSocket(String(address));
      this.opening = new Connection(socket, subscription, this.#connectionOwner, reviver);
    } catch (cause) {
      this.#owner.unusable(cause);
      return;
    }
    // A retry is planned if the previous connection was lost while the URL was awaited.
    clearTimeout(this.#timers.retry);
    this.retryAt = null;
    this.#owner.changed();
  }

  #connectionOwner: ConnectionOwner = {
    received: (connection, frame) => {
      const { type, token_expires_at } = frame as { type?: string; token_expires_at?: unknown };
      if (type === "authenticated" && connection === this.live)
        this.#renewTokenBefore(token_expires_at);
      this.#owner.received(connection, frame);
    },
    lost: (connection) => this.#lost(connection),
    failed: (reason) => this.#owner.warn(new StagecastError(reason)),
    isSilent: () => this.#owner.isSilent(),
    onFrame: (direction, frame) => this.#owner.onFrame(direction, frame),
  };

  /** The connection is subscribed, by this reply. Returns whether it replaces the one before. */
  subscribed(connection: Connection, reply: object): boolean {
    if (connection !== this.opening) return false;
    this.#renewTokenBefore((reply as { token_expires_at?: unknown }).token_expires_at);
    // The previous connection is closed only now, so that no message is missed in between.
    this.live?.close();
    this.live = connection;
    this.opening = null;
    this.#liveSince = Date.now();
    clearTimeout(this.#timers.failing);
    this.#timers.failing = undefined;
    clearTimeout(this.#timers.renew);
    const renewIn = RENEW_AFTER_MS - Math.random() * RENEW_JITTER_MS;
    this.#timers.renew = setTimeout(() => void this.connect(), renewIn);
    return true;
  }

  /** Sends another token before the one of the live connection expires, if the service says when that is. */
  #renewTokenBefore(expiresAt: unknown): void {
    clearTimeout(this.#timers.token);
    const { token } = this.#options;
    const at = typeof expiresAt === "number" ? expiresAt * 1000 : Date.parse(String(expiresAt));
    if (!token?.isRenewable || Number.isNaN(at)) return;
    const wait = Math.max(at - Date.now() - TOKEN_MARGIN_MS, TOKEN_INTERVAL_MS);
    this.#timers.token = setTimeout(() => void this.#renewToken(token, expiresAt), wait);
  }

  async #renewToken(source: TokenSource, expiresAt: unknown): Promise<void> {
    try {
      const token = await source.renew();
      if (!this.#isClosed) this.live?.send({ type: "authenticate", token });
    } catch (cause) {
      if (this.#isClosed) return;
      const message = "the function `token` did not return a token; the watch retries";
      this.#owner.warn(new StagecastError(message, {}, { cause }));
      this.#renewTokenBefore(expiresAt);
    }
  }

  /** Closes a connection whose subscription was refused. The next one opens in `leastMs` at the earliest. */
  reject(connection: Connection, leastMs: number): void {
    connection.close();
    this.#lost(connection, leastMs);
  }

  /**
   * Checks the connection after a change of the network or the wake-up of the device, which may
   * have lost it without a `close` event.
   */
  wake(): void {
    if (this.live) this.live.probe();
    else if (this.retryAt !== null) void this.connect();
  }

  /** Closes the connections for good. */
  close(): void {
    this.#isClosed = true;
    this.retryAt = null;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.live?.close();
    this.opening?.close();
    this.live = this.opening = null;
  }

  #lost(connection: Connection, waitMs = 0): void {
    if (connection === this.live) {
      this.live = null;
      clearTimeout(this.#timers.renew);
      clearTimeout(this.#timers.token);
      if (Date.now() - this.#liveSince > STABLE_AFTER_MS) this.#attempt = 0;
      // A renewal may be in progress.
      if (this.opening) this.#owner.changed();
      else this.#retry();
    } else if (connection === this.opening) {
      this.opening = null;
      this.#retry(waitMs);
    }
  }

  /** Schedules the next attempt to connect, `leastMs` from now at the earliest. */
  #retry(leastMs = 0): void {
    if (this.#isClosed) return;
    const wait = Math.max(leastMs, backoff(this.#attempt));
    this.#attempt += 1;
    clearTimeout(this.#timers.retry);
    this.retryAt = Date.now() + wait;
    this.#timers.retry = setTimeout(() => void this.connect(), wait);
    if (this.#attempt >= FAILING_ATTEMPTS && !this.live) this.#owner.failing();
    this.#owner.changed();
  }
}
