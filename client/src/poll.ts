/** Asks for a job again and again, where nothing better can be had. */

import type { JobSnapshot } from "../../generated/messages.js";
import { backoff } from "./backoff.js";
import { StagecastError } from "./errors.js";
import type { HttpApi, JobKey } from "./http.js";

const ASK_EVERY_MS = 2000;
const ANSWER_WITHIN_MS = 10_000;

export interface PollOwner {
  told(snapshot: JobSnapshot): void;
  failed(error: StagecastError): void;
}

export class Poll {
  /** Whether the latest answer was one. */
  isTelling = false;
  #http: HttpApi;
  #key: JobKey;
  #owner: PollOwner;
  #stopped = new AbortController();
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = false;

  constructor(http: HttpApi, key: JobKey, owner: PollOwner) {
    this.#http = http;
    this.#key = key;
    this.#owner = owner;
  }

  start(): void {
    void this.#ask();
  }

  /** Asks now instead of later. */
  wake(): void {
    if (!this.#asking) void this.#ask();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#stopped.abort();
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer);
    this.#asking = true;
    const stopped = this.#stopped.signal;
    const signal = AbortSignal.any([stopped, AbortSignal.timeout(ANSWER_WITHIN_MS)]);
    try {
      const snapshot = await this.#http.job(this.#key, { signal });
      if (stopped.aborted) return;
      this.#failures = 0;
      this.isTelling = true;
      this.#owner.told(snapshot);
    } catch (cause) {
      if (stopped.aborted) return;
      this.#failures += 1;
      this.isTelling = false;
      const late = () =>
        new StagecastError(`no answer in ${ANSWER_WITHIN_MS / 1000} s`, { status: 0 }, { cause });
      this.#owner.failed(cause instanceof StagecastError ? cause : late());
    }
    this.#asking = false;
    if (stopped.aborted) return;
    const wait = this.#failures > 0 ? backoff(this.#failures) : ASK_EVERY_MS;
    this.#timer = setTimeout(() => void this.#ask(), wait);
  }
}
