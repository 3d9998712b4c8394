/** Polls a job's messages over HTTP, the fallback where WebSockets are blocked. */

import { backoff } from "./backoff.js";
import { StagecastError } from "./errors.js";
import type { HttpApi, JobEvents, JobKey } from "./http.js";

/** The bounds of the interval that the service asks for, in seconds. */
const SHORTEST = 1;
const LONGEST = 60;
/** Spreads the requests of clients that started together, in milliseconds for each second. */
const JITTER_MS = 100;
const RESPONSE_TIMEOUT_MS = 10_000;

export interface PollOwner {
  /** The `seq` of the last received durable message, after which the next ones are requested. */
  resumeAfter(): number;
  received(answer: JobEvents): void;
  failed(error: StagecastError): void;
}

export class Poll {
  /** Whether the latest request succeeded. */
  isReachable = false;
  #http: HttpApi;
  #key: JobKey;
  #owner: PollOwner;
  #stopped = false;
  /** Aborts the pending request. */
  #abort = new AbortController();
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isPending = false;

  constructor(http: HttpApi, key: JobKey, owner: PollOwner) {
    this.#http = http;
    this.#key = key;
    this.#owner = owner;
  }

  /** Sends the next request now, the first one included. */
  wake(): void {
    if (!this.#isPending) void this.#poll();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  async #poll(): Promise<void> {
    clearTimeout(this.#timer);
    this.#isPending = true;
    // `AbortSignal.any` and `AbortSignal.timeout` are missing in some supported browsers.
    const abort = new AbortController();
    this.#abort = abort;
    this.#timer = setTimeout(() => abort.abort(), RESPONSE_TIMEOUT_MS);
    let wait = 0;
    try {
      const afterSeq = this.#owner.resumeAfter();
      const answer = await this.#http.events(this.#key, { afterSeq, signal: abort.signal });
      if (this.#stopped) return;
      this.#failures = 0;
      this.isReachable = true;
      this.#owner.received(answer);
      // More messages are requested at once, unless the answer had none.
      const isFurther = this.#owner.resumeAfter() > afterSeq;
      if (!answer.more || !isFurther) wait = interval(answer.retry_after);
    } catch (cause) {
      if (this.#stopped) return;
      this.#failures += 1;
      wait = backoff(this.#failures);
      this.isReachable = false;
      const late = () =>
        new StagecastError(
          `no response within ${RESPONSE_TIMEOUT_MS / 1000} s`,
          { status: 0 },
          { cause },
        );
      this.#owner.failed(cause instanceof StagecastError ? cause : late());
    }
    clearTimeout(this.#timer);
    this.#isPending = false;
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#poll(), wait);
  }
}

/** The time to the next request, in milliseconds. */
function interval(seconds: number | null): number {
  const bounded = Math.min(Math.max(seconds ?? LONGEST, SHORTEST), LONGEST);
  return bounded * (1000 + Math.random() * JITTER_MS);
}
