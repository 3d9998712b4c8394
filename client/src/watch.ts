/** Watches one job over a WebSocket, with HTTP as the fallback. */

import type { ErrorReply, JobSnapshot, Subscribed } from "../../generated/messages.js";
import { backoff } from "./backoff.js";
import { Cancellation } from "./cancellation.js";
import type { ConnectionOwner, Frame, WebSocketConstructor } from "./connection.js";
import { Connection } from "./connection.js";
import { retryAfterMs, StagecastError } from "./errors.js";
import { knownEventTarget } from "./events.js";
import { Feed } from "./feed.js";
import { HttpApi } from "./http.js";
import type { WatchedJob } from "./job.js";
import { applyMessage, applySnapshot, unknownJob } from "./job.js";
import type { JobMessage } from "./messages.js";
import { hasEnded, isEnd, isJobMessage } from "./messages.js";
import type { Transport, WatchEvents, WatchOptions, WatchState } from "./options.js";
import { Poll } from "./poll.js";
import { Sequence } from "./sequence.js";
import { onWake } from "./wake.js";

/**
 * API Gateway closes a connection after two hours. It is replaced 100 to 110 minutes after its
 * start; the spread keeps clients from reconnecting together.
 */
const RENEW_AFTER_MS = 110 * 60_000;
const RENEW_JITTER_MS = 10 * 60_000;
/** A connection that lasted longer than this resets the backoff. */
const STABLE_AFTER_MS = 5000;
/** Missing messages may still be in flight; they are requested after this delay. */
const GAP_TIMEOUT_MS = 1500;
/** Every third request for missing messages goes over a new connection. */
const ATTEMPTS_BEFORE_NEW_CONNECTION = 3;
/** Number of failed attempts to connect after which the watch polls over HTTP. */
const ATTEMPTS_BEFORE_HTTP = 2;
/** Time without an open or rejected connection after which the watch polls over HTTP. */
const CONNECT_TIMEOUT_MS = 5000;
/** Error codes that end the watch, because a repeated request would get the same. */
const PERMANENT_ERRORS = new Set([
  "forbidden",
  "job_not_found",
  "invalid_job_id",
  "invalid_message",
]);

type Timer = ReturnType<typeof setTimeout> | undefined;

/** Watches a job until it ends. */
export function watchJob(options: WatchOptions): JobWatch {
  return new JobWatch(options);
}

/**
 * A watch on a job. Listen to its events, iterate over its messages, or read `snapshot`.
 *
 * An iteration starts with the messages received so far and ends with the job. Leaving the loop
 * ends the watch. The iteration throws if the watch is rejected or aborted.
 */
export class JobWatch extends knownEventTarget<WatchEvents>() implements AsyncIterable<JobMessage> {
  #options: WatchOptions;
  #WebSocket: WebSocketConstructor | undefined;
  #http: HttpApi | null;
  #poll: Poll | null = null;
  #sequence: Sequence;
  #snapshot: WatchedJob;
  /** The `seq` of the last snapshot from the service. */
  #snapshotSeq = 0;
  /** The durable messages so far, and the latest progress if it came after them. */
  #history: JobMessage[] = [];
  #feeds = new Set<Feed>();

  #live: Connection | null = null;
  #opening: Connection | null = null;
  /** Counts the attempts to connect, so that a URL that arrives late is not used. */
  #connectCount = 0;
  #liveSince = 0;
  #attempt = 0;
  #retryAt: number | null = null;
  #timers: Record<"retry" | "renew" | "gap" | "http", Timer> = {
    retry: undefined,
    renew: undefined,
    gap: undefined,
    http: undefined,
  };
  #gapAttempt = 0;
  /** The end of the service's rate limit on replays, in milliseconds since 1970. */
  #limitedUntil = 0;

  #state: WatchState = "connecting";
  #wasLive = false;
  #error: unknown = null;
  #lastState = "";
  #cancellation: Cancellation | null = null;
  #stopListening: () => void;

  constructor(options: WatchOptions) {
    super();
    this.#options = options;
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    this.#http = options.httpApi ? new HttpApi(options.httpApi, options) : null;
    if (!this.#WebSocket && !this.#http) {
      throw new TypeError(
        "no WebSocket is available: pass one (`import { WebSocket } from 'ws'`), or `httpApi` to poll over HTTP",
      );
    }
    this.#sequence = new Sequence(options.afterSeq);
    this.#snapshot = unknownJob(options.jobId);
    this.#stopListening = this.#listen();
    if (options.signal?.aborted) this.#end(options.signal.reason);
    else if (this.#WebSocket) void this.#connect();
    else this.#startPolling();
  }

  get state(): WatchState {
    return this.#state;
  }

  /** How a `live` watch receives the job's state; null in other states. */
  get transport(): Transport | null {
    if (this.#state !== "live") return null;
    return this.#live ? "websocket" : "http";
  }

  /** The known state of the job. Each change creates a new object. */
  get snapshot(): WatchedJob {
    return this.#snapshot;
  }

  /**
   * When the next attempt to connect starts, in milliseconds since 1970; null if none is planned.
   */
  get retryAt(): number | null {
    return this.#retryAt;
  }

  /**
   * Why the watch ended before the job: a `StagecastError` or the signal's reason; null otherwise.
   */
  get error(): unknown {
    return this.#error;
  }

  /**
   * Requests the cancellation of the job. Resolves when the service has accepted the request or the
   * job has already ended. Without a connection, the request is sent as soon as there is one.
   * Internal errors are retried a few times. Rejects if the service rejects the request, if the
   * retries fail, or if the watch ends first.
   */
  cancel(): Promise<void> {
    if (this.#cancellation && !this.#cancellation.isSettled) return this.#cancellation.promise;
    const cancellation = new Cancellation({
      sendCancel: () => {
        const { jobId: job_id, accessKey: access_key } = this.#options;
        return this.#live?.send({ type: "cancel_job", job_id, access_key });
      },
      postCancel: () => this.#http?.cancel(this.#options),
      probe: () => this.#live?.probe(),
      accepted: () => this.#cancelAccepted(),
    });
    this.#cancellation = cancellation;
    if (this.#isOver) this.#endCancellation();
    else cancellation.send();
    return cancellation.promise;
  }

  /** Ends the watch. The job continues. */
  close(): void {
    this.#end(null);
  }

  [Symbol.asyncIterator](): AsyncIterator<JobMessage, undefined> {
    const feed = new Feed(this.#history, () => this.close());
    if (this.#isOver) feed.end(this.#error);
    else this.#feeds.add(feed);
    return feed;
  }

  get #isOver(): boolean {
    return this.#state === "ended";
  }

  /* Connections */

  async #connect(): Promise<void> {
    const { url, jobId: job_id, accessKey: access_key, reviver } = this.#options;
    clearTimeout(this.#timers.retry);
    this.#retryAt = null;
    this.#connectCount += 1;
    const count = this.#connectCount;
    if (!this.#live) {
      this.#timers.http ??= setTimeout(() => this.#startPolling(), CONNECT_TIMEOUT_MS);
    }
    this.#updateState();
    const isLate = () => count !== this.#connectCount || this.#isOver;
    let address: string | URL;
    try {
      // Awaited even if it is not a promise, so that the caller can add listeners before the first
      // event.
      address = await (typeof url === "function" ? url() : url);
    } catch (cause) {
      // Any failure to get a URL is treated as temporary.
      if (isLate()) return;
      this.#warn(
        new StagecastError(
          "the function `url` did not return a URL to connect to; the watch retries",
          {},
          { cause },
        ),
      );
      this.#retry();
      return;
    }
    if (isLate() || !this.#WebSocket) return;
    try {
      const socket = new this.#WebSocket(String(address));
      this.#opening = new Connection(socket, { job_id, access_key }, this.#owner, reviver);
    } catch (cause) {
      this.#cannotConnect(cause);
      return;
    }
    // A retry is planned if the previous connection was lost while the URL was awaited.
    clearTimeout(this.#timers.retry);
    this.#retryAt = null;
    this.#updateState();
  }

  /** An invalid URL, or one that the page may not connect to, is a permanent failure. */
  #cannotConnect(cause: unknown): void {
    if (!this.#http) {
      this.#end(cause);
      return;
    }
    const { message = String(cause) } = cause as Partial<Error>;
    this.#warn(new StagecastError(message, {}, { cause }));
    // If this was the renewal of a connection, the current one stays in use.
    if (!this.#live) this.#startPolling();
  }

  #owner: ConnectionOwner = {
    resumeAfter: () => this.#sequence.seq,
    received: (connection, frame) => this.#received(connection, frame),
    lost: (connection) => this.#lost(connection),
    failed: (reason) => this.#warn(new StagecastError(reason)),
    isSilent: () => this.#snapshot.status !== "running",
    onFrame: (direction, frame) => this.#emit("frame", { direction, frame }),
  };

  #received(connection: Connection, frame: Frame): void {
    if (frame.type === undefined) {
      const message = frame.message ?? "the service sent a frame without a type";
      const error = new StagecastError(message, { requestId: frame.requestId ?? null });
      this.#warn(error);
      // The frame has no `request_id`, so it may be the reply to `cancel_job`.
      if (connection === this.#live && this.#cancellation?.isSent) this.#cancellation.retry(error);
      return;
    }
    if ("job_id" in frame && frame.job_id !== this.#options.jobId) return;
    if (frame.type === "subscribed") this.#subscribed(connection, frame);
    else if (frame.type === "error") this.#rejected(connection, frame);
    else if (frame.type === "cancel_requested") this.#cancelAccepted();
    // During a renewal, both connections deliver; the sequence removes the duplicates.
    else if (isJobMessage(frame)) this.#deliver(this.#sequence.accept(frame));
  }

  #subscribed(connection: Connection, message: Subscribed): void {
    if (connection === this.#opening) {
      // The previous connection is closed only now; the replayed log contains what it has not
      // delivered.
      this.#live?.close();
      this.#live = connection;
      this.#opening = null;
      this.#liveSince = Date.now();
      this.#poll?.stop();
      this.#poll = null;
      clearTimeout(this.#timers.http);
      this.#timers.http = undefined;
      clearTimeout(this.#timers.renew);
      const renewIn = RENEW_AFTER_MS - Math.random() * RENEW_JITTER_MS;
      this.#timers.renew = setTimeout(() => void this.#connect(), renewIn);
      this.#nowLive();
      this.#cancellation?.send();
    }
    this.#acceptSnapshot(message.status, message.recovered);
  }

  #rejected(connection: Connection, reply: ErrorReply): void {
    const { code, message, request_id: requestId } = reply;
    const error = new StagecastError(message, { code, requestId });
    if (this.#cancellation?.hasSent(requestId)) {
      if (code === "internal") {
        this.#warn(error);
        this.#cancellation.retry(error);
      } else {
        this.#cancellation.rejected(error);
      }
    } else if (PERMANENT_ERRORS.has(code)) {
      this.#end(error);
    } else {
      const waitMs = retryAfterMs(reply);
      if (code === "replay_limited") this.#limitedUntil = Date.now() + waitMs;
      this.#warn(error);
      // The subscription failed; retry over another connection.
      if (connection === this.#opening) {
        connection.close();
        this.#lost(connection, waitMs);
      } else if (code === "replay_limited") {
        // Requests the missing messages again after the rate limit.
        clearTimeout(this.#timers.gap);
        this.#timers.gap = undefined;
        this.#watchGap();
      }
    }
  }

  #lost(connection: Connection, waitMs = 0): void {
    if (connection === this.#live) {
      this.#live = null;
      clearTimeout(this.#timers.renew);
      if (Date.now() - this.#liveSince > STABLE_AFTER_MS) this.#attempt = 0;
      // A renewal may be in progress.
      if (this.#opening) this.#updateState();
      else this.#retry();
    } else if (connection === this.#opening) {
      this.#opening = null;
      this.#retry(waitMs);
    }
  }

  /** Schedules the next attempt to connect, `leastMs` from now at the earliest. */
  #retry(leastMs = 0): void {
    const wait = Math.max(leastMs, backoff(this.#attempt));
    this.#attempt += 1;
    clearTimeout(this.#timers.retry);
    this.#retryAt = Date.now() + wait;
    this.#timers.retry = setTimeout(() => void this.#connect(), wait);
    if (this.#attempt >= ATTEMPTS_BEFORE_HTTP && !this.#live) this.#startPolling();
    this.#updateState();
  }

  /**
   * Checks the connection after a change of the network or the wake-up of the device, which may
   * have lost it without a `close` event.
   */
  #wake(): void {
    if (this.#live) this.#live.probe();
    else if (this.#retryAt !== null) void this.#connect();
    this.#poll?.wake();
  }

  #listen(): () => void {
    const { signal } = this.#options;
    const abort = () => this.#end(signal?.reason);
    signal?.addEventListener("abort", abort);
    const stopWaking = onWake(() => this.#wake());
    return () => {
      signal?.removeEventListener("abort", abort);
      stopWaking();
    };
  }

  /* Over HTTP */

  #startPolling(): void {
    if (!this.#http || this.#poll || this.#isOver) return;
    this.#poll = new Poll(this.#http, this.#options, {
      resumeAfter: () => this.#sequence.seq,
      received: ({ snapshot, recovered, events }) => {
        this.#nowLive();
        this.#acceptSnapshot(snapshot, recovered);
        this.#deliver(events.flatMap((event) => this.#sequence.accept(event)));
        if (!this.#cancellation?.isActive) this.#cancellation?.send();
      },
      failed: (error) => {
        const { code, status } = error;
        // An older service has no such route.
        const isPermanent =
          PERMANENT_ERRORS.has(code ?? "") || (status === 404 && !this.#WebSocket);
        if (isPermanent) this.#end(error);
        // An unreachable service is visible as the state; an error response is not.
        else if (status) this.#warn(error);
        this.#updateState();
      },
    });
    this.#poll.wake();
  }

  /* The job */

  /** The durable messages up to the snapshot follow if they are `recovered`. */
  #acceptSnapshot(snapshot: JobSnapshot, recovered: boolean): void {
    this.#snapshotSeq = snapshot.seq;
    this.#change(applySnapshot(this.#snapshot, snapshot));
    this.#deliver(this.#sequence.acceptSnapshot(snapshot, recovered));
  }

  #deliver(messages: JobMessage[]): void {
    if (this.#isOver) return;
    let job = this.#snapshot;
    for (const message of messages) job = applyMessage(job, message, this.#snapshotSeq);
    // Listeners of a message see it in the snapshot.
    this.#snapshot = job;
    for (const message of messages) {
      // A listener of the previous message may have closed the watch.
      if (this.#isOver) return;
      if (this.#history.at(-1)?.type === "progress_update") this.#history.pop();
      this.#history.push(message);
      for (const feed of this.#feeds) feed.push(message);
      this.#emit("message", message);
    }
    if (messages.length > 0) this.#emit("change", job);
    if (messages.some(isEnd)) this.#end(null);
    this.#watchGap();
  }

  #watchGap(): void {
    if (!this.#sequence.hasGap || this.#isOver) {
      clearTimeout(this.#timers.gap);
      this.#timers.gap = undefined;
      this.#gapAttempt = 0;
      return;
    }
    if (this.#timers.gap !== undefined) return;
    const delay = Math.max(
      GAP_TIMEOUT_MS * 2 ** Math.min(this.#gapAttempt, 4),
      this.#limitedUntil - Date.now(),
    );
    this.#timers.gap = setTimeout(() => {
      this.#timers.gap = undefined;
      this.#gapAttempt += 1;
      // The service replays each durable message only once per connection, so another connection
      // gets it again.
      if (this.#gapAttempt % ATTEMPTS_BEFORE_NEW_CONNECTION !== 0) this.#live?.subscribe();
      else if (this.#live && !this.#opening) void this.#connect();
      this.#watchGap();
    }, delay);
  }

  #cancelAccepted(): void {
    this.#cancellation?.settle(null);
    // The service shortens the interval now.
    this.#poll?.wake();
    this.#change({ ...this.#snapshot, cancel_requested: true });
  }

  /** Settles a pending cancellation at the end of the watch. */
  #endCancellation(): void {
    const message = "the watch was closed before the service accepted the request to cancel";
    const error = this.#error ?? new StagecastError(message);
    this.#cancellation?.settle(hasEnded(this.#snapshot) ? null : error);
  }

  /* Events */

  #nowLive(): void {
    this.#wasLive = true;
    this.#updateState();
  }

  #change(job: WatchedJob): void {
    if (job === this.#snapshot || this.#isOver) return;
    this.#snapshot = job;
    this.#emit("change", job);
  }

  #updateState(): void {
    if (!this.#isOver) {
      const isConnected = this.#live !== null || this.#poll?.isReachable === true;
      this.#state = isConnected ? "live" : this.#wasLive ? "resuming" : "connecting";
    }
    const now = `${this.#state} ${this.transport} ${this.#retryAt}`;
    if (now === this.#lastState) return;
    this.#lastState = now;
    this.#emit("state", this.#state);
  }

  #warn(error: StagecastError): void {
    this.#emit("warning", error);
  }

  #end(error: unknown): void {
    if (this.#isOver) return;
    this.#state = "ended";
    this.#error = error ?? null;
    this.#retryAt = null;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#live?.close();
    this.#opening?.close();
    this.#live = this.#opening = null;
    this.#poll?.stop();
    this.#stopListening();
    this.#endCancellation();
    for (const feed of this.#feeds) feed.end(this.#error);
    this.#feeds.clear();
    this.#updateState();
  }

  #emit<Type extends keyof WatchEvents>(type: Type, detail: WatchEvents[Type]["detail"]): void {
    // After its end, a watch emits only the change of its state.
    if (this.#isOver && type !== "state") return;
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
