/** Watches all jobs of an owner over a WebSocket, with HTTP for their states. */

import type { ErrorReply, OwnedJobCreated, OwnerSubscribed } from "../../generated/messages.js";
import { backoff } from "./backoff.js";
import type { Connection, Frame } from "./connection.js";
import { retryAfterMs, StagecastError } from "./errors.js";
import { knownEventTarget } from "./events.js";
import { HttpApi, type JobsPage } from "./http.js";
import { JobList, type ListedJob } from "./job-list.js";
import { Link, type LinkOwner } from "./link.js";
import type { JobMessage } from "./messages.js";
import { isJobMessage } from "./messages.js";
import type { JobsWatchEvents, Transport, WatchJobsOptions, WatchState } from "./options.js";
import { isAboutToken, TokenSource } from "./token.js";
import { onWake } from "./wake.js";

/** The number of jobs that are listed at the start. */
const LIMIT = 100;
/**
 * A job may be stored after a list was read, although it began to be created before: a creation takes at most 15 seconds.
 * The rest is for servers whose clocks differ.
 */
const CREATION_MS = 60_000;
/** Missing messages may still be in flight; they are requested after this delay. */
const GAP_TIMEOUT_MS = 1500;
/** Requests for the messages of jobs that are under way at a time. */
const CONCURRENT_READS = 4;
/** Time between two lists where WebSockets are blocked. */
const POLL_MS = 10_000;
/** Refused tokens in a row after which the watch ends. */
const MAX_REFUSED_TOKENS = 3;
/** Error codes that end the watch, because a repeated request would get the same. */
const PERMANENT_ERRORS = new Set([
  "forbidden",
  "invalid_message",
  "invalid_parameter",
  "token_forbidden",
  "token_required",
]);
const RESPONSE_TIMEOUT_MS = 10_000;

/** A message of the feed. */
type FeedMessage = JobMessage | ({ type: "job_created" } & OwnedJobCreated);

type Timer = ReturnType<typeof setTimeout> | undefined;

/** Watches all jobs of an owner, those that are created later too. */
export function watchJobs(options: WatchJobsOptions): JobsWatch {
  return new JobsWatch(options);
}

/**
 * A watch on the jobs of an owner. Listen to its events, read `jobs`, or iterate: an iteration yields the list after it has
 * changed, and skips what a slow reader misses. Leaving the loop ends the watch. The iteration throws if the watch is
 * rejected or aborted.
 */
export class JobsWatch
  extends knownEventTarget<JobsWatchEvents>()
  implements AsyncIterable<readonly ListedJob[]>
{
  #options: WatchJobsOptions;
  /** Null without a `WebSocket`. */
  #link: Link | null;
  #http: HttpApi;
  #token: TokenSource;
  #list = new JobList();

  /** Counts the lists that were begun: only the latest one is applied. */
  #listCount = 0;
  /** Whether the list is complete, except for changes that are on their way. */
  #isComplete = false;
  /** Whether the list was complete once. */
  #wasComplete = false;
  /** The messages before the first complete list. */
  #early: FeedMessage[] = [];
  /** Jobs that were created before, in milliseconds since 1970, are in the list. */
  #completeBefore = Number.NEGATIVE_INFINITY;
  #isPolling = false;
  #refusedTokens = 0;
  #failedLists = 0;
  #listTimer: Timer;

  /** The jobs whose messages are to be read, with the number of failed attempts. */
  #unread = new Map<string, number>();
  #reading = new Set<string>();
  #gapTimers = new Map<string, Timer>();
  #abort = new AbortController();

  #state: WatchState = "connecting";
  #error: unknown = null;
  #lastState = "";
  #waiting: (() => void)[] = [];
  #stopListening: () => void;

  constructor(options: WatchJobsOptions) {
    super();
    this.#options = options;
    const { url, reviver, WebSocket = globalThis.WebSocket, signal } = options;
    const token = new TokenSource(options.token);
    this.#token = token;
    this.#http = new HttpApi(options.httpApi, options);
    this.#link = WebSocket ? new Link({ url, WebSocket, reviver, token }, this.#owner) : null;
    const abort = () => this.#end(signal?.reason);
    signal?.addEventListener("abort", abort);
    const stopWaking = onWake(() => this.#wake());
    this.#stopListening = () => {
      signal?.removeEventListener("abort", abort);
      stopWaking();
    };
    if (signal?.aborted) this.#end(signal.reason);
    else if (this.#link) void this.#link.connect();
    else this.#startPolling();
  }

  /** `live`: the list is complete, and changes arrive as they happen. */
  get state(): WatchState {
    return this.#state;
  }

  /** How a `live` watch receives changes; null in other states. Over HTTP, they arrive every ten seconds. */
  get transport(): Transport | null {
    if (this.#state !== "live") return null;
    return this.#link?.live ? "websocket" : "http";
  }

  /** The known jobs, newest first. Each change creates a new array. */
  get jobs(): readonly ListedJob[] {
    return this.#list.jobs;
  }

  /** Whether `jobs` was complete once, so that an empty list means that there are no jobs. */
  get isKnown(): boolean {
    return this.#wasComplete;
  }

  /** When the next attempt to connect starts, in milliseconds since 1970; null if none is planned. */
  get retryAt(): number | null {
    return this.#link?.retryAt ?? null;
  }

  /** Why the watch has ended: a `StagecastError` or the signal's reason; null otherwise. */
  get error(): unknown {
    return this.#error;
  }

  /** Ends the watch. The jobs continue. */
  close(): void {
    this.#end(null);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly ListedJob[], undefined> {
    let seen: readonly ListedJob[] | null = null;
    try {
      for (;;) {
        if (this.#wasComplete && this.jobs !== seen) {
          seen = this.jobs;
          yield seen;
        } else if (this.#isOver) {
          if (this.#error !== null) throw this.#error;
          return;
        } else {
          await new Promise<void>((resolve) => this.#waiting.push(resolve));
        }
      }
    } finally {
      this.close();
    }
  }

  get #isOver(): boolean {
    return this.#state === "ended";
  }

  /* Connections */

  #owner: LinkOwner = {
    subscription: async () => {
      const token = await this.#token.get();
      return () => ({ type: "subscribe", owner: this.#options.owner, token });
    },
    received: (connection, frame) => this.#received(connection, frame),
    changed: () => this.#linkChanged(),
    warn: (error) => this.#emit("warning", error),
    failing: () => this.#startPolling(),
    unusable: (cause) => {
      const { message = String(cause) } = cause as Partial<Error>;
      this.#emit("warning", new StagecastError(message, {}, { cause }));
      if (!this.#link?.live) this.#startPolling();
    },
    isSilent: () => !this.jobs.some(({ status }) => status === "running"),
    onFrame: (direction, frame) => this.#emit("frame", { direction, frame }),
  };

  #received(connection: Connection, frame: Frame): void {
    if (frame.type === undefined) {
      const message = frame.message ?? "the service sent a frame without a type";
      this.#emit("warning", new StagecastError(message, { requestId: frame.requestId ?? null }));
    } else if (frame.type === "owner_subscribed") {
      this.#subscribed(connection, frame);
    } else if (frame.type === "error") {
      this.#rejected(connection, frame);
    } else if (frame.type === "job_created" || isJobMessage(frame)) {
      if (this.#wasComplete) this.#accept(frame);
      // The list decides from which `seq` on the messages of a job are delivered. Progress follows.
      else if (frame.type !== "progress_update") this.#early.push(frame);
    }
  }

  #accept(frame: FeedMessage): void {
    if (frame.type === "job_created") {
      this.#changed(this.#list.acceptSnapshot(frame.status, false), frame.job_id);
      return;
    }
    // During a renewal, both connections deliver; the list removes the duplicates.
    const isKnown = this.#list.has(frame.job_id);
    this.#changed(this.#list.accept(frame), frame.job_id);
    if (!isKnown) this.#read(frame.job_id);
  }

  #subscribed(connection: Connection, reply: OwnerSubscribed): void {
    if (!this.#link?.subscribed(connection, reply)) return;
    this.#isPolling = false;
    this.#refusedTokens = 0;
    // What is committed before the list is in it; what is committed later is sent to this connection.
    void this.#listJobs();
  }

  #rejected(connection: Connection, reply: ErrorReply): void {
    const { code, message, request_id: requestId } = reply;
    const error = new StagecastError(message, { code, requestId });
    if (!this.#isTemporary(error)) return;
    const hasEnded = connection === this.#link?.opening || code === "token_expired";
    if (hasEnded) this.#link?.reject(connection, retryAfterMs(reply));
  }

  /** Ends the watch if a repeated request would get the same error. */
  #isTemporary(error: StagecastError): boolean {
    const { code } = error;
    if (isAboutToken(code)) {
      this.#token.forget();
      this.#refusedTokens += 1;
    }
    const isFinal =
      PERMANENT_ERRORS.has(code ?? "") ||
      // An older service has no such route.
      error.status === 404 ||
      (isAboutToken(code) && !this.#token.isRenewable) ||
      this.#refusedTokens >= MAX_REFUSED_TOKENS;
    if (isFinal) this.#end(error);
    // An unreachable service is visible as the state; an error response is not.
    else if (error.status !== 0) this.#emit("warning", error);
    return !isFinal;
  }

  #linkChanged(): void {
    // Changes may be missed until the next list.
    if (!this.#link?.live && !this.#isPolling) this.#isComplete = false;
    this.#updateState();
  }

  /** The network has changed, or the device has woken up. */
  #wake(): void {
    this.#link?.wake();
    if (this.#isPolling) void this.#listJobs();
  }

  #startPolling(): void {
    if (this.#isPolling || this.#isOver) return;
    this.#isPolling = true;
    void this.#listJobs();
  }

  /* Lists and logs over HTTP */

  /**
   * Reads the pages of the list, from the newest job back to those that are known: at the start the first `limit` jobs, later
   * those that were created since the last complete list. Then reads the other jobs that are not known to have ended.
   */
  async #listJobs(): Promise<void> {
    clearTimeout(this.#listTimer);
    this.#listCount += 1;
    const count = this.#listCount;
    const isLate = () => count !== this.#listCount || this.#isOver;
    const { owner, limit = LIMIT } = this.#options;
    const isStart = !this.#wasComplete;
    const listed = new Set<string>();
    let newest = this.#completeBefore + CREATION_MS;
    let cursor: string | null = null;
    try {
      do {
        const page: JobsPage = await this.#ask((signal) =>
          this.#http.jobs({ owner, cursor, signal }),
        );
        if (isLate()) return;
        for (const snapshot of page.jobs) {
          listed.add(snapshot.job_id);
          newest = Math.max(newest, Date.parse(snapshot.created_at));
          this.#changed(this.#list.acceptSnapshot(snapshot, isStart), snapshot.job_id);
        }
        cursor = page.next_cursor;
        const oldest = Date.parse(page.jobs.at(-1)?.created_at ?? "");
        // An empty page says nothing.
        const isEnough = isStart ? listed.size >= limit : oldest < this.#completeBefore;
        if (isEnough) cursor = null;
      } while (cursor !== null);
    } catch (cause) {
      if (isLate()) return;
      if (!this.#isTemporary(asError(cause))) return;
      this.#failedLists += 1;
      this.#isComplete = false;
      this.#listTimer = setTimeout(() => void this.#listJobs(), backoff(this.#failedLists));
      this.#updateState();
      return;
    }
    this.#failedLists = 0;
    this.#refusedTokens = 0;
    this.#completeBefore = newest - CREATION_MS;
    this.#isComplete = this.#wasComplete = true;
    for (const message of this.#early.splice(0)) this.#accept(message);
    for (const jobId of this.#list.open) if (!listed.has(jobId)) this.#read(jobId);
    if (this.#isPolling) this.#listTimer = setTimeout(() => void this.#listJobs(), POLL_MS);
    this.#updateState();
    this.#notify();
  }

  /** Reads the messages of a job after those that are known, as soon as fewer requests are under way. */
  #read(jobId: string, failures = 0): void {
    this.#stopGapTimer(jobId);
    if (!this.#unread.has(jobId)) this.#unread.set(jobId, failures);
    this.#readNext();
  }

  #readNext(): void {
    for (const [jobId, failures] of this.#unread) {
      if (this.#isOver || this.#reading.size >= CONCURRENT_READS) return;
      if (this.#reading.has(jobId)) continue;
      this.#unread.delete(jobId);
      this.#reading.add(jobId);
      void this.#readEvents(jobId, failures).finally(() => {
        this.#reading.delete(jobId);
        this.#readNext();
      });
    }
  }

  async #readEvents(jobId: string, failures: number): Promise<void> {
    const afterSeq = this.#list.seq(jobId);
    try {
      const answer = await this.#ask((signal) =>
        this.#http.events({ jobId }, { afterSeq, signal }),
      );
      if (this.#isOver) return;
      this.#changed(this.#list.acceptEvents(answer), jobId);
      // Further messages did not fit into the response.
      const isFurther = this.#list.seq(jobId) > afterSeq;
      if (isFurther && this.#list.isIncomplete(jobId)) this.#read(jobId);
    } catch (cause) {
      if (this.#isOver) return;
      const error = asError(cause);
      // The job is kept no longer, or the token is limited to labels that it does not have.
      if (error.code === "forbidden" || error.code === "job_not_found") {
        this.#list.delete(jobId);
        this.#stopGapTimer(jobId);
        this.#notify();
      } else if (this.#isTemporary(error)) {
        this.#startGapTimer(jobId, backoff(failures + 1), failures + 1);
      }
    }
  }

  async #ask<Answer>(send: (signal: AbortSignal) => Promise<Answer>): Promise<Answer> {
    // `AbortSignal.any` and `AbortSignal.timeout` are missing in some supported browsers.
    const abort = new AbortController();
    const stop = () => abort.abort();
    const timer = setTimeout(stop, RESPONSE_TIMEOUT_MS);
    this.#abort.signal.addEventListener("abort", stop);
    try {
      return await send(abort.signal);
    } finally {
      clearTimeout(timer);
      this.#abort.signal.removeEventListener("abort", stop);
    }
  }

  /* The jobs */

  /** The messages of a job are delivered. What is missing before them is read after a while. */
  #changed(messages: JobMessage[], jobId: string): void {
    for (const message of messages) this.#emit("message", message);
    this.#notify();
    if (!this.#list.isIncomplete(jobId)) this.#stopGapTimer(jobId);
    else if (!this.#gapTimers.has(jobId)) this.#startGapTimer(jobId, GAP_TIMEOUT_MS);
  }

  #startGapTimer(jobId: string, delay: number, failures = 0): void {
    if (this.#isOver) return;
    this.#stopGapTimer(jobId);
    this.#gapTimers.set(
      jobId,
      setTimeout(() => this.#read(jobId, failures), delay),
    );
  }

  #stopGapTimer(jobId: string): void {
    clearTimeout(this.#gapTimers.get(jobId));
    this.#gapTimers.delete(jobId);
  }

  /* Events */

  #seen: readonly ListedJob[] | null = null;

  #notify(): void {
    if (!this.#wasComplete || this.jobs === this.#seen) return;
    this.#seen = this.jobs;
    this.#emit("change", this.jobs);
    this.#resume();
  }

  #resume(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #updateState(): void {
    if (!this.#isOver) {
      const isConnected = Boolean(this.#link?.live) || this.#isPolling;
      const isLive = isConnected && this.#isComplete;
      this.#state = isLive ? "live" : this.#wasComplete ? "resuming" : "connecting";
    }
    const now = `${this.#state} ${this.transport} ${this.retryAt}`;
    if (now === this.#lastState) return;
    this.#lastState = now;
    this.#emit("state", this.#state);
  }

  #end(error: unknown): void {
    if (this.#isOver) return;
    this.#state = "ended";
    this.#error = error ?? null;
    clearTimeout(this.#listTimer);
    for (const timer of this.#gapTimers.values()) clearTimeout(timer);
    this.#gapTimers.clear();
    this.#unread.clear();
    this.#link?.close();
    this.#abort.abort();
    this.#stopListening();
    this.#updateState();
    this.#resume();
  }

  #emit<Type extends keyof JobsWatchEvents>(
    type: Type,
    detail: JobsWatchEvents[Type]["detail"],
  ): void {
    // After its end, a watch emits only the change of its state.
    if (this.#isOver && type !== "state") return;
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function asError(cause: unknown): StagecastError {
  if (cause instanceof StagecastError) return cause;
  return new StagecastError(`no response: ${String(cause)}`, { status: 0 }, { cause });
}
