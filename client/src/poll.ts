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
  #stopped = false;
  /** Gives up the request that goes on. */
  #giveUp = new AbortController();
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
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#giveUp.abort();
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer);
    this.#asking = true;
    // By hand: not every browser that has WebSockets can make one signal of two.
    const giveUp = new AbortController();
    this.#giveUp = giveUp;
    this.#timer = setTimeout(() => giveUp.abort(), ANSWER_WITHIN_MS);
    try {
      const snapshot = await this.#http.job(this.#key, { signal: giveUp.signal });
      if (this.#stopped) return;
      this.#failures = 0;
      this.isTelling = true;
      this.#owner.told(snapshot);
    } catch (cause) {
      if (this.#stopped) return;
      this.#failures += 1;
      this.isTelling = false;
      const late = () =>
        new StagecastError(`no answer in ${ANSWER_WITHIN_MS / 1000} s`, { status: 0 }, { cause });
      this.#owner.failed(cause instanceof StagecastError ? cause : late());
    }
    clearTimeout(this.#timer);
    this.#asking = false;
    if (this.#stopped) return;
    const wait = this.#failures > 0 ? backoff(this.#failures) : ASK_EVERY_MS;
    this.#timer = setTimeout(() => void this.#ask(), wait);
  }
}
