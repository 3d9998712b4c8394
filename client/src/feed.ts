/** The messages of a watch as an async iterator. */

import type { JobMessage } from "./messages.js";

type Step = IteratorResult<JobMessage, undefined>;

interface Waiter {
  resolve(step: Step): void;
  reject(error: unknown): void;
}

/**
 * Buffers unread messages. Of consecutive progress updates it keeps only the latest, so that a slow
 * reader does not fall behind.
 */
export class Feed implements AsyncIterator<JobMessage, undefined> {
  #unread: JobMessage[];
  #waiters: Waiter[] = [];
  #end: { error: unknown } | null = null;
  #onReturn: () => void;

  /**
   * Starts with the messages of `backlog`. `onReturn` is called when the reader leaves its loop.
   */
  constructor(backlog: readonly JobMessage[], onReturn: () => void) {
    this.#unread = [...backlog];
    this.#onReturn = onReturn;
  }

  push(message: JobMessage): void {
    const waiter = this.#waiters.shift();
    if (waiter) {
      waiter.resolve({ done: false, value: message });
      return;
    }
    const isReplaced =
      message.type === "progress_update" && this.#unread.at(-1)?.type === "progress_update";
    if (isReplaced) this.#unread.pop();
    this.#unread.push(message);
  }

  /** Ends the loop after the unread messages, or makes it throw `error` there. */
  end(error: unknown): void {
    this.#end ??= { error };
    for (const waiter of this.#waiters.splice(0)) this.#finish(waiter);
  }

  next(): Promise<Step> {
    return new Promise((resolve, reject) => {
      const value = this.#unread.shift();
      if (value) resolve({ done: false, value });
      else if (this.#end) this.#finish({ resolve, reject });
      else this.#waiters.push({ resolve, reject });
    });
  }

  async return(): Promise<Step> {
    this.#unread = [];
    this.end(null);
    this.#onReturn();
    return { done: true, value: undefined };
  }

  #finish({ resolve, reject }: Waiter): void {
    const error = this.#end?.error ?? null;
    // An error is thrown once; later calls of `next` are done.
    this.#end = { error: null };
    if (error === null) resolve({ done: true, value: undefined });
    else reject(error);
  }
}
