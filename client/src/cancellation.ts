/** A request to cancel a job, repeated until the service accepts or rejects it. */

import { backoff } from "./backoff.js";
import { StagecastError } from "./errors.js";

/** A request without a reply within this time is treated as lost. */
const REPLY_TIMEOUT_MS = 10_000;
/** Number of failed attempts after which the request is given up. */
const MAX_ATTEMPTS = 6;

export interface CancellationOwner {
  /** Sends `cancel_job` over the live connection; returns its id, or undefined without a connection. */
  sendCancel(): string | null | undefined;
  /** Sends the request over HTTP; undefined without an HTTP API. */
  postCancel(): Promise<void> | undefined;
  /** Checks the connection, which may be dead. */
  probe(): void;
  /** The service has accepted the request. */
  accepted(): void;
}

export class Cancellation {
  readonly promise: Promise<void>;
  #owner: CancellationOwner;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;
  #isSettled = false;
  #failures = 0;
  #requestIds = new Set<string>();
  /** The timeout of the current attempt, or the delay before the next. */
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(owner: CancellationOwner) {
    this.#owner = owner;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Whether an attempt is pending or scheduled. */
  get isActive(): boolean {
    return this.#timer !== undefined;
  }

  /** Whether the request was sent over a connection and has no reply yet. */
  get isSent(): boolean {
    return !this.#isSettled && this.#requestIds.size > 0;
  }

  /** Whether this is the `request_id` of a pending request to cancel. */
  hasSent(requestId: string): boolean {
    return !this.#isSettled && this.#requestIds.has(requestId);
  }

  /** Sends the request over the live connection, else over HTTP. Without either, it stays pending. */
  send(): void {
    this.#stopTimer();
    if (this.#isSettled) return;
    const requestId = this.#owner.sendCancel();
    if (requestId === undefined) {
      const response = this.#owner.postCancel();
      if (response === undefined) return;
      response.then(
        () => this.#owner.accepted(),
        (error: StagecastError) => this.#httpFailed(error),
      );
    } else if (requestId !== null) {
      this.#requestIds.add(requestId);
    }
    this.#timer = setTimeout(() => {
      // A dead connection is replaced, and the request is sent over the next one.
      this.#owner.probe();
      const message = `no reply to the request to cancel within ${REPLY_TIMEOUT_MS / 1000} s`;
      this.retry(new StagecastError(message));
    }, REPLY_TIMEOUT_MS);
  }

  /** Schedules the next attempt, or rejects with `error` after the last one. */
  retry(error: StagecastError): void {
    if (this.#isSettled) return;
    this.#failures += 1;
    if (this.#failures >= MAX_ATTEMPTS) {
      this.settle(error);
      return;
    }
    this.#stopTimer();
    this.#timer = setTimeout(() => this.send(), backoff(this.#failures));
  }

  /** Applies an error reply: the service rejected the request, or the job has already ended. */
  rejected(error: StagecastError): void {
    this.settle(error.code === "job_already_finished" ? null : error);
  }

  /** Resolves the promise, or rejects it with an error that is not null. */
  settle(error: unknown): void {
    this.#stopTimer();
    this.#isSettled = true;
    if (error === null) this.#resolve();
    else this.#reject(error);
  }

  #httpFailed(error: StagecastError): void {
    if (error.code !== null && error.code !== "internal") this.rejected(error);
    else if (error.status) this.retry(error);
    // The service is unreachable: the next connection or successful poll sends the request again.
    else this.#stopTimer();
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
