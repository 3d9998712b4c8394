/** Watches one job: over WebSockets while it can, over HTTP where it cannot. */

import type { ErrorReply, JobSnapshot, Subscribed } from "../../generated/messages.js";
import { backoff } from "./backoff.js";
import type { ConnectionOwner, Frame, WebSocketConstructor } from "./connection.js";
import { Connection } from "./connection.js";
import { retryAfterMs, StagecastError } from "./errors.js";
import { knownEventTarget } from "./events.js";
import { Feed } from "./feed.js";
import { HttpApi } from "./http.js";
import type { WatchedJob } from "./job.js";
import { changedBy, seen, unknownJob } from "./job.js";
import type { JobMessage } from "./messages.js";
import { hasEnded, isEnd, isJobMessage } from "./messages.js";
import type { Transport, WatchEvents, WatchOptions, WatchState } from "./options.js";
import { Poll } from "./poll.js";
import { Sequence } from "./sequence.js";

/** API Gateway closes a connection after two hours: the next one is opened well before, and not by all at once. */
const RENEW_AFTER_MS = 110 * 60_000;
const RENEW_SPREAD_MS = 10 * 60_000;
/** A connection that has lasted so long was a good one: the next attempt need not wait long. */
const GOOD_AFTER_MS = 5000;
/** What is missing may still be on its way; only then it is asked for. */
const GAP_PATIENCE_MS = 1500;
/** Every so many attempts to get what is missing, it is asked for over a new connection. */
const ATTEMPTS_BEFORE_NEW_CONNECTION = 3;
/** Attempts to connect before the job is asked for over HTTP. */
const ATTEMPTS_BEFORE_HTTP = 2;
/** Where connections are neither refused nor made, it is not waited for a second attempt. */
const PATIENCE_BEFORE_HTTP_MS = 5000;
/** A request to cancel that is not answered by then is taken for lost. */
const CANCEL_ANSWER_WITHIN_MS = 10_000;
/** So often a service in trouble is asked to cancel. */
const CANCEL_ATTEMPTS = 6;

/** Answers that stay the same however often one asks. */
const FINAL = new Set(["forbidden", "job_not_found", "invalid_job_id", "invalid_message"]);

type Timer = ReturnType<typeof setTimeout> | undefined;

/** Watches a job until it ends. */
export function watchJob(options: WatchOptions): JobWatch {
  return new JobWatch(options);
}

/**
 * A job that is watched. Listen to its events, iterate over its messages, or look at `snapshot`.
 *
 * An iteration starts with what has come so far and ends with the job. Leaving the loop ends the
 * watch; it throws if the watch is refused or aborted.
 */
export class JobWatch extends knownEventTarget<WatchEvents>() implements AsyncIterable<JobMessage> {
  #options: WatchOptions;
  #WebSocket: WebSocketConstructor | undefined;
  #http: HttpApi | null;
  #poll: Poll | null = null;
  #sequence: Sequence;
  #snapshot: WatchedJob;
  /** The durable messages so far, then the latest progress. */
  #told: JobMessage[] = [];
  #feeds = new Set<Feed>();

  #live: Connection | null = null;
  #opening: Connection | null = null;
  /** Counts the connections that were asked for, so that a late address is not taken for the latest. */
  #turn = 0;
  #liveSince = 0;
  #attempt = 0;
  #retryAt: number | null = null;
  #timers: Record<"retry" | "renew" | "gap" | "http" | "cancel", Timer> = {
    retry: undefined,
    renew: undefined,
    gap: undefined,
    http: undefined,
    cancel: undefined,
  };
  #gapAttempt = 0;
  /** The service has said that it sends nothing more of the log before this time. */
  #limitedUntil = 0;

  #state: WatchState = "connecting";
  #wasLive = false;
  #error: unknown = null;
  #toldState = "";
  #cancelling: Cancelling | null = null;
  #stopListening: () => void;

  constructor(options: WatchOptions) {
    super();
    this.#options = options;
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    this.#http = options.httpApi ? new HttpApi(options.httpApi, options) : null;
    if (!this.#WebSocket && !this.#http) {
      throw new TypeError(
        "there is no WebSocket here: pass one (`import { WebSocket } from 'ws'`), or `httpApi` to ask over HTTP",
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

  /** How a `live` watch hears of the job; null while it does not. */
  get transport(): Transport | null {
    if (this.#state !== "live") return null;
    return this.#live ? "websocket" : "http";
  }

  /** The job as it is known by now; another object after each change. */
  get snapshot(): WatchedJob {
    return this.#snapshot;
  }

  /** When the next attempt to connect is made, in milliseconds since 1970; null while none is planned. */
  get retryAt(): number | null {
    return this.#retryAt;
  }

  /** Why the watch has ended before the job: a `StagecastError` or the signal's reason; null otherwise. */
  get error(): unknown {
    return this.#error;
  }

  /**
   * Asks the job to stop; resolves when the service has taken the request, or has nothing to stop.
   * Without a connection it is asked as soon as there is one. A service in trouble is asked again a
   * few times; then it rejects, as it does when it is refused or the watch ends before the job.
   */
  cancel(): Promise<void> {
    if (this.#cancelling) return this.#cancelling.promise;
    const cancelling = new Cancelling();
    this.#cancelling = cancelling;
    if (this.#isOver) this.#cannotCancel();
    else this.#askToCancel();
    return cancelling.promise;
  }

  /** Ends the watch. The job goes on. */
  close(): void {
    this.#end(null);
  }

  [Symbol.asyncIterator](): AsyncIterator<JobMessage, undefined> {
    const feed = new Feed(this.#told, () => this.close());
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
    this.#turn += 1;
    const turn = this.#turn;
    if (!this.#live) {
      this.#timers.http ??= setTimeout(() => this.#startPolling(), PATIENCE_BEFORE_HTTP_MS);
    }
    this.#tellState();
    const isLate = () => turn !== this.#turn || this.#isOver;
    let address: string | URL;
    try {
      // Waited for in any case: what comes of it is told to who listens as soon as there is a watch.
      address = await (typeof url === "function" ? url() : url);
    } catch (cause) {
      // Whatever it is that cannot give an address now: it may later.
      if (isLate()) return;
      this.#warn(new StagecastError("there is no address to connect to", {}, { cause }));
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
    // Another attempt is planned if the connection was lost while the address was asked for.
    clearTimeout(this.#timers.retry);
    this.#retryAt = null;
    this.#tellState();
  }

  /** An address that is none, or that the page may not connect to, will not become better. */
  #cannotConnect(cause: unknown): void {
    if (!this.#http) {
      this.#end(cause);
      return;
    }
    const { message = String(cause) } = cause as Partial<Error>;
    this.#warn(new StagecastError(message, {}, { cause }));
    // Otherwise this was to be the next connection, and the one before it goes on.
    if (!this.#live) this.#startPolling();
  }

  #owner: ConnectionOwner = {
    resumeAt: () => this.#sequence.seq,
    received: (connection, frame) => this.#received(connection, frame),
    lost: (connection) => this.#lost(connection),
    refused: (words) => this.#warn(new StagecastError(words)),
    isSilent: () => this.#snapshot.status !== "running",
    sawFrame: (direction, frame) => this.#tell("frame", { direction, frame }),
  };

  #received(connection: Connection, frame: Frame): void {
    if (frame.type === undefined) {
      const told = frame.message ?? "the service answered with a frame without a type";
      const error = new StagecastError(told, { requestId: frame.requestId ?? null });
      this.#warn(error);
      // It does not say what it answers.
      if (connection === this.#live && this.#cancelling?.isAsked) this.#askToCancelLater(error);
      return;
    }
    if ("job_id" in frame && frame.job_id !== this.#options.jobId) return;
    if (frame.type === "subscribed") this.#subscribed(connection, frame);
    else if (frame.type === "error") this.#refused(connection, frame);
    else if (frame.type === "cancel_requested") this.#cancelRequested();
    // What comes over a connection that is not yet subscribed, comes over the other one too.
    else if (isJobMessage(frame)) this.#handOver(this.#sequence.take(frame));
  }

  #subscribed(connection: Connection, message: Subscribed): void {
    if (connection === this.#opening) {
      // Only now the one before can go: what it would still bring is in the log that follows.
      this.#live?.close();
      this.#live = connection;
      this.#opening = null;
      this.#liveSince = Date.now();
      this.#poll?.stop();
      this.#poll = null;
      clearTimeout(this.#timers.http);
      this.#timers.http = undefined;
      clearTimeout(this.#timers.renew);
      const renewIn = RENEW_AFTER_MS - Math.random() * RENEW_SPREAD_MS;
      this.#timers.renew = setTimeout(() => void this.#connect(), renewIn);
      this.#nowLive();
      this.#askToCancel();
    }
    this.#look(message.status);
    this.#handOver(this.#sequence.takeSnapshot(message.status, message.recovered));
  }

  #refused(connection: Connection, reply: ErrorReply): void {
    const { code, message, request_id: requestId } = reply;
    const error = new StagecastError(message, { code, requestId });
    if (this.#cancelling?.isAnsweredBy(requestId)) {
      if (code === "job_already_finished") this.#cancelled(null);
      else if (code !== "internal") this.#cancelled(error);
      else {
        this.#warn(error);
        this.#askToCancelLater(error);
      }
    } else if (FINAL.has(code)) {
      this.#end(error);
    } else {
      const waitMs = retryAfterMs(reply);
      if (code === "replay_limited") this.#limitedUntil = Date.now() + waitMs;
      this.#warn(error);
      // It was not subscribed: another connection may be.
      if (connection === this.#opening) {
        connection.close();
        this.#lost(connection, waitMs);
      } else if (code === "replay_limited") {
        // What is missing is asked for again, but not before it can be had.
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
      if (Date.now() - this.#liveSince > GOOD_AFTER_MS) this.#attempt = 0;
      // The next connection may be on its way, because this one was about to reach its limit.
      if (this.#opening) this.#tellState();
      else this.#retry();
    } else if (connection === this.#opening) {
      this.#opening = null;
      this.#retry(waitMs);
    }
  }

  /** Plans the next attempt to connect, `leastMs` from now at the earliest. */
  #retry(leastMs = 0): void {
    const wait = Math.max(leastMs, backoff(this.#attempt));
    this.#attempt += 1;
    clearTimeout(this.#timers.retry);
    this.#retryAt = Date.now() + wait;
    this.#timers.retry = setTimeout(() => void this.#connect(), wait);
    if (this.#attempt >= ATTEMPTS_BEFORE_HTTP && !this.#live) this.#startPolling();
    this.#tellState();
  }

  /** A network that has changed, or a device that has woken up, may have lost a connection without a word. */
  #wake(): void {
    if (this.#live) this.#live.probe();
    else if (this.#retryAt !== null) void this.#connect();
    this.#poll?.wake();
  }

  #listen(): () => void {
    const { signal } = this.#options;
    const abort = () => this.#end(signal?.reason);
    const wake = () => this.#wake();
    const seen = () => document.visibilityState === "visible" && this.#wake();
    const page = typeof window === "object" && typeof document === "object";
    signal?.addEventListener("abort", abort);
    if (page) {
      window.addEventListener("online", wake);
      window.addEventListener("offline", wake);
      document.addEventListener("visibilitychange", seen);
    }
    return () => {
      signal?.removeEventListener("abort", abort);
      if (!page) return;
      window.removeEventListener("online", wake);
      window.removeEventListener("offline", wake);
      document.removeEventListener("visibilitychange", seen);
    };
  }

  /* Over HTTP */

  #startPolling(): void {
    if (!this.#http || this.#poll || this.#isOver) return;
    this.#poll = new Poll(this.#http, this.#options, {
      told: (snapshot) => {
        this.#nowLive();
        this.#look(snapshot);
        this.#handOver(this.#sequence.applySnapshot(snapshot));
        if (this.#timers.cancel === undefined) this.#askToCancel();
      },
      failed: (error) => {
        if (error.code !== null && FINAL.has(error.code)) this.#end(error);
        // Whoever cannot be reached is no news; who answers otherwise than asked is.
        else if (error.status) this.#warn(error);
        this.#tellState();
      },
    });
    this.#poll.start();
  }

  /* The job */

  #look(snapshot: JobSnapshot): void {
    this.#change(seen(this.#snapshot, snapshot));
  }

  #handOver(messages: JobMessage[]): void {
    if (this.#isOver) return;
    let job = this.#snapshot;
    for (const message of messages) job = changedBy(job, message);
    // Whoever is told a message sees it in the snapshot too.
    this.#snapshot = job;
    for (const message of messages) {
      // Whoever was told the one before may have closed the watch.
      if (this.#isOver) return;
      if (this.#told.at(-1)?.type === "progress_update") this.#told.pop();
      this.#told.push(message);
      for (const feed of this.#feeds) feed.push(message);
      this.#tell("message", message);
    }
    if (messages.length > 0) this.#tell("change", job);
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
    const patience = Math.max(
      GAP_PATIENCE_MS * 2 ** Math.min(this.#gapAttempt, 4),
      this.#limitedUntil - Date.now(),
    );
    this.#timers.gap = setTimeout(() => {
      this.#timers.gap = undefined;
      this.#gapAttempt += 1;
      // The service sends a connection each durable message of the log once: another one gets it again.
      if (this.#gapAttempt % ATTEMPTS_BEFORE_NEW_CONNECTION !== 0) this.#live?.subscribe();
      else if (this.#live && !this.#opening) void this.#connect();
      this.#watchGap();
    }, patience);
  }

  #askToCancel(): void {
    const cancelling = this.#cancelling;
    this.#stopCancelTimer();
    if (!cancelling) return;
    if (this.#live) {
      const { jobId: job_id, accessKey: access_key } = this.#options;
      cancelling.asked(this.#live.send({ type: "cancel_job", job_id, access_key }));
    } else if (this.#http) {
      this.#http.cancel(this.#options).then(
        () => this.#cancelRequested(),
        (error: StagecastError) => {
          if (error.code === "job_already_finished") this.#cancelled(null);
          else if (error.code !== null && error.code !== "internal") this.#cancelled(error);
          else if (error.status) this.#askToCancelLater(error);
          // It could not be asked, and is asked when there is a connection.
          else this.#stopCancelTimer();
        },
      );
    } else {
      return;
    }
    this.#timers.cancel = setTimeout(() => {
      // A connection that is dead without a word is replaced, and the next one asked.
      this.#live?.probe();
      const words = `no answer to the request to cancel in ${CANCEL_ANSWER_WITHIN_MS / 1000} s`;
      this.#askToCancelLater(new StagecastError(words));
    }, CANCEL_ANSWER_WITHIN_MS);
  }

  #askToCancelLater(error: StagecastError): void {
    const cancelling = this.#cancelling;
    if (!cancelling) return;
    cancelling.failures += 1;
    if (cancelling.failures >= CANCEL_ATTEMPTS) {
      this.#cancelled(error);
      return;
    }
    this.#stopCancelTimer();
    const wait = backoff(cancelling.failures);
    this.#timers.cancel = setTimeout(() => this.#askToCancel(), wait);
  }

  #stopCancelTimer(): void {
    clearTimeout(this.#timers.cancel);
    this.#timers.cancel = undefined;
  }

  #cancelRequested(): void {
    this.#cancelled(null);
    this.#change({ ...this.#snapshot, cancel_requested: true });
  }

  /** The watch has ended: what was not taken by then, will not be. A job that has ended needs no stopping. */
  #cannotCancel(): void {
    const words = "the watch was closed before the service had taken the request to cancel";
    this.#cancelled(hasEnded(this.#snapshot) ? null : (this.#error ?? new StagecastError(words)));
  }

  #cancelled(error: unknown): void {
    this.#stopCancelTimer();
    this.#cancelling?.settle(error);
    this.#cancelling = null;
  }

  /* Telling */

  #nowLive(): void {
    this.#wasLive = true;
    this.#tellState();
  }

  #change(job: WatchedJob): void {
    if (job === this.#snapshot || this.#isOver) return;
    this.#snapshot = job;
    this.#tell("change", job);
  }

  #tellState(): void {
    if (!this.#isOver) {
      const isHeard = this.#live !== null || this.#poll?.isTelling === true;
      this.#state = isHeard ? "live" : this.#wasLive ? "resuming" : "connecting";
    }
    const now = `${this.#state} ${this.transport} ${this.#retryAt}`;
    if (now === this.#toldState) return;
    this.#toldState = now;
    this.#tell("state", this.#state);
  }

  #warn(error: StagecastError): void {
    this.#tell("warning", error);
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
    this.#cannotCancel();
    for (const feed of this.#feeds) feed.end(this.#error);
    this.#feeds.clear();
    this.#tellState();
  }

  #tell<Type extends keyof WatchEvents>(type: Type, detail: WatchEvents[Type]["detail"]): void {
    // Whoever closes a watch hears that it has ended, and no more of the job.
    if (this.#isOver && type !== "state") return;
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** A request to cancel that is not answered yet. */
class Cancelling {
  readonly promise: Promise<void>;
  failures = 0;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;
  #requests = new Set<string>();

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  asked(requestId: string | null): void {
    if (requestId !== null) this.#requests.add(requestId);
  }

  get isAsked(): boolean {
    return this.#requests.size > 0;
  }

  isAnsweredBy(requestId: string): boolean {
    return this.#requests.has(requestId);
  }

  settle(error: unknown): void {
    if (error === null) this.#resolve();
    else this.#reject(error);
  }
}
