/** Watches one job over a WebSocket, with HTTP as the fallback. */

import type { ErrorReply, JobSnapshot, Subscribed } from "../../generated/messages.js";
import { Cancellation } from "./cancellation.js";
import type { Connection, Frame, Subscription } from "./connection.js";
import { retryAfterMs, StagecastError } from "./errors.js";
import { knownEventTarget } from "./events.js";
import { Feed } from "./feed.js";
import { HttpApi } from "./http.js";
import type { WatchedJob } from "./job.js";
import { applyMessage, applySnapshot, unknownJob } from "./job.js";
import { Link, type LinkOwner } from "./link.js";
import type { JobMessage } from "./messages.js";
import { hasEnded, isEnd, isJobMessage } from "./messages.js";
import type { Transport, WatchEvents, WatchOptions, WatchState } from "./options.js";
import { Poll } from "./poll.js";
import { Sequence } from "./sequence.js";
import { isAboutToken, TokenSource } from "./token.js";
import { onWake } from "./wake.js";

/** Missing messages may still be in flight; they are requested after this delay. */
const GAP_TIMEOUT_MS = 1500;
/** Every third request for missing messages goes over a new connection. */
const ATTEMPTS_BEFORE_NEW_CONNECTION = 3;
/** Error codes that end the watch, because a repeated request would get the same. */
const PERMANENT_ERRORS = new Set([
  "forbidden",
  "job_not_found",
  "invalid_job_id",
  "invalid_message",
  "token_forbidden",
]);

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
  /** Null without a `WebSocket`. */
  #link: Link | null;
  #http: HttpApi | null;
  #token: TokenSource | null;
  #poll: Poll | null = null;
  #sequence: Sequence;
  #snapshot: WatchedJob;
  /** The `seq` of the last snapshot from the service. */
  #snapshotSeq = 0;
  /** The durable messages so far, and the latest progress if it came after them. */
  #history: JobMessage[] = [];
  #feeds = new Set<Feed>();

  #gapTimer: ReturnType<typeof setTimeout> | undefined;
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
    const { url, reviver, WebSocket = globalThis.WebSocket } = options;
    const token = options.token === undefined ? null : new TokenSource(options.token);
    this.#token = token;
    this.#link = WebSocket ? new Link({ url, WebSocket, reviver, token }, this.#owner) : null;
    this.#http = options.httpApi ? new HttpApi(options.httpApi, options) : null;
    if (!this.#link && !this.#http) {
      throw new TypeError(
        "no WebSocket is available: pass one (`import { WebSocket } from 'ws'`), or `httpApi` to poll over HTTP",
      );
    }
    this.#sequence = new Sequence(options.afterSeq);
    this.#snapshot = unknownJob(options.jobId);
    this.#stopListening = this.#listen();
    if (options.signal?.aborted) this.#end(options.signal.reason);
    else if (this.#link) void this.#link.connect();
    else this.#startPolling();
  }

  get state(): WatchState {
    return this.#state;
  }

  /** How a `live` watch receives the job's state; null in other states. */
  get transport(): Transport | null {
    if (this.#state !== "live") return null;
    return this.#link?.live ? "websocket" : "http";
  }

  /** The known state of the job. Each change creates a new object. */
  get snapshot(): WatchedJob {
    return this.#snapshot;
  }

  /**
   * When the next attempt to connect starts, in milliseconds since 1970; null if none is planned.
   */
  get retryAt(): number | null {
    return this.#link?.retryAt ?? null;
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
      sendCancel: () => this.#sendCancel(),
      postCancel: () => this.#http?.cancel(this.#options),
      probe: () => this.#link?.live?.probe(),
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

  #owner: LinkOwner = {
    subscription: () =>
      this.#token ? this.#token.get().then((it) => this.#with(it)) : this.#with(),
    received: (connection, frame) => this.#received(connection, frame),
    changed: () => this.#updateState(),
    warn: (error) => this.#warn(error),
    failing: () => this.#startPolling(),
    unusable: (cause) => this.#cannotConnect(cause),
    isSilent: () => this.#snapshot.status !== "running",
    onFrame: (direction, frame) => this.#emit("frame", { direction, frame }),
  };

  /** The subscription with the access key, or with a token. A subscribed connection needs neither. */
  #with(first?: string): Subscription {
    return (isRepeated) => {
      const { jobId: job_id, accessKey: access_key } = this.#options;
      const { seq } = this.#sequence;
      const token = isRepeated ? this.#token?.current : first;
      const credential = this.#token ? token && { token } : access_key && { access_key };
      return { type: "subscribe", job_id, ...credential, ...(seq > 0 && { after_seq: seq }) };
    };
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
    if (!this.#link?.live) this.#startPolling();
  }

  #sendCancel(): string | null | undefined {
    const live = this.#link?.live;
    const { jobId: job_id, accessKey: access_key } = this.#options;
    if (!live || !this.#token) {
      return live?.send({ type: "cancel_job", job_id, ...(access_key && { access_key }) });
    }
    const token = this.#token.current;
    if (token !== null) return live.send({ type: "cancel_job", job_id, token });
    const send = () => this.#cancellation?.send();
    this.#token.get().then(send, (cause) => {
      const error = new StagecastError("there is no token to cancel with", {}, { cause });
      this.#cancellation?.retry(error);
    });
    return null;
  }

  #received(connection: Connection, frame: Frame): void {
    if (frame.type === undefined) {
      const message = frame.message ?? "the service sent a frame without a type";
      const error = new StagecastError(message, { requestId: frame.requestId ?? null });
      this.#warn(error);
      // The frame has no `request_id`, so it may be the reply to `cancel_job`.
      if (connection === this.#link?.live && this.#cancellation?.isSent)
        this.#cancellation.retry(error);
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
    if (this.#link?.subscribed(connection, message)) {
      this.#poll?.stop();
      this.#poll = null;
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
    } else if (PERMANENT_ERRORS.has(code) || (isAboutToken(code) && !this.#renewToken())) {
      this.#end(error);
    } else {
      const waitMs = retryAfterMs(reply);
      if (code === "replay_limited") this.#limitedUntil = Date.now() + waitMs;
      this.#warn(error);
      // The subscription failed or has ended; retry over another connection.
      if (connection === this.#link?.opening || code === "token_expired") {
        this.#link?.reject(connection, waitMs);
      } else if (code === "replay_limited") {
        // Requests the missing messages again after the rate limit.
        clearTimeout(this.#gapTimer);
        this.#gapTimer = undefined;
        this.#watchGap();
      }
    }
  }

  /** Forgets a token that was refused. Returns whether there can be another one. */
  #renewToken(): boolean {
    this.#token?.forget();
    return this.#token?.isRenewable === true;
  }

  /** The network has changed, or the device has woken up. */
  #wake(): void {
    this.#link?.wake();
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
        const isPermanent = PERMANENT_ERRORS.has(code ?? "") || (status === 404 && !this.#link);
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
      clearTimeout(this.#gapTimer);
      this.#gapTimer = undefined;
      this.#gapAttempt = 0;
      return;
    }
    if (this.#gapTimer !== undefined) return;
    const delay = Math.max(
      GAP_TIMEOUT_MS * 2 ** Math.min(this.#gapAttempt, 4),
      this.#limitedUntil - Date.now(),
    );
    this.#gapTimer = setTimeout(() => {
      this.#gapTimer = undefined;
      this.#gapAttempt += 1;
      // The service replays each durable message only once per connection, so another connection
      // gets it again.
      const link = this.#link;
      if (this.#gapAttempt % ATTEMPTS_BEFORE_NEW_CONNECTION !== 0) link?.live?.subscribe();
      else if (link?.live && !link.opening) void link.connect();
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
      const isConnected = Boolean(this.#link?.live) || this.#poll?.isReachable === true;
      this.#state = isConnected ? "live" : this.#wasLive ? "resuming" : "connecting";
    }
    const now = `${this.#state} ${this.transport} ${this.retryAt}`;
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
    clearTimeout(this.#gapTimer);
    this.#link?.close();
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
