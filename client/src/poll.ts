/** Polls a job over HTTP, the fallback where WebSockets are blocked. */

import type { JobSnapshot } from "../../generated/messages.js";
import { backoff } from "./backoff.js";
import { StagecastError } from "./errors.js";
import type { HttpApi, JobKey } from "./http.js";

const POLL_INTERVAL_MS = 2000;
const RESPONSE_TIMEOUT_MS = 10_000;

export interface PollOwner {
  received(snapshot: JobSnapshot): void;
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

  start(): void {
    void this.#poll();
  }

  /** Sends the next request now. */
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
    try {
      const snapshot = await this.#http.job(this.#key, { signal: abort.signal });
      if (this.#stopped) return;
      this.#failures = 0;
      this.isReachable = true;
      this.#owner.received(snapshot);
    } catch (cause) {
      if (this.#stopped) return;
      this.#failures += 1;
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
    const wait = this.#failures > 0 ? backoff(this.#failures) : POLL_INTERVAL_MS;
    this.#timer = setTimeout(() => void this.#poll(), wait);
  }
}
